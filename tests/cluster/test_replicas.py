"""What nodes write of their sessions into the directory, and what is left of it when one of them dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import valkey

from quicgw_fast.cluster.recovery import Retaining
from quicgw_fast.cluster.scripts import REPLICATE
from quicgw_fast.placement import ReplicaRecord, Written
from quicgw_fast.proto.session_pb2 import SessionReplica, SessionState
from tests.cluster.town import told
from tests.support.directory_server import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cluster.scripts import AtomicScript
    from quicgw_fast.placement import Place
    from tests.cluster.town import Inhabitant, Town
    from tests.support.directory_server import DirectoryServer


def _revive(replica: SessionReplica) -> bytes:
    """In place of a session, what tells which records were read."""
    if replica.whole.openid == "broken":
        raise ValueError("it contradicts itself")
    numbers = [replica.whole.outbox.acked, *(later.acked for later in replica.later)]
    return f"{replica.whole.session_id}:{numbers}".encode()


RETAINING = Retaining(_revive, 60.0)


class Shelves:
    """What there is in the directory."""

    def __init__(self, server: DirectoryServer) -> None:
        self._client = valkey.Valkey.from_url(server.url, protocol=2)

    def get(self, openid: str) -> SessionReplica:
        return SessionReplica.FromString(self._client.get(_key(openid)) or b"")

    def set(self, openid: str, replica: SessionReplica) -> None:
        self._client.set(_key(openid), replica.SerializeToString())

    def close(self) -> None:
        self._client.close()


def _key(openid: str) -> str:
    return f"{{quicgw}}:replica:{openid}"


@pytest.fixture
def shelves(empty_server: DirectoryServer) -> Iterator[Shelves]:
    shelves = Shelves(empty_server)
    yield shelves
    shelves.close()


def whole(openid: str, session_id: str, number: int = 0) -> ReplicaRecord:
    state = SessionState(session_id=session_id, openid=openid)
    state.outbox.acked = number
    return ReplicaRecord(openid, SessionReplica(whole=state).SerializeToString(), 0)


def later(openid: str, number: int, behind: int) -> ReplicaRecord:
    replica = SessionReplica()
    replica.later.add().acked = number
    return ReplicaRecord(openid, replica.SerializeToString(), behind)


async def joins(town: Town, name: str) -> Inhabitant:
    return await town.join(name, retaining=RETAINING)


async def comes(node: Inhabitant, openid: str, session_id: str = "") -> Place:
    """A START that comes again until it is let in."""
    async with asyncio.timeout(10):
        while True:
            place = await told(node.node.placement.claim(openid, session_id))
            if place.here:
                node.sessions[openid] = session_id, session_id.encode()
                node.node.placement.settled(openid, session_id, "e", "")
                return place
            await asyncio.sleep(0.05)


async def dies(town: Town, name: str, known_to: Inhabitant) -> None:
    dead = town.nodes[name].node.name
    await town.die(name)
    await until(lambda: dead not in {record.name for record in known_to.node.membership.nodes})


async def write(node: Inhabitant, *records: ReplicaRecord) -> list[Written]:
    return await node.node.replicas.write(records)


async def test_what_was_written_is_what_the_next_node_finds(town: Town) -> None:
    one, two = await joins(town, "one"), await joins(town, "two")
    for openid in ("alice", "bob"):
        await comes(one, openid, f"of-{openid}")
    first = whole("alice", "of-alice"), whole("bob", "of-bob", 7)
    assert await write(one, *first) == [Written.DONE, Written.DONE]
    assert await write(one, later("alice", 1, len(first[0].data))) == [Written.DONE]
    await dies(town, "one", two)
    place = await comes(two, "alice", "s1")
    state = SessionState.FromString(place.arrivals[0][: len(place.arrivals[0]) - len(b"of-alice:[0, 1]")])
    assert place.arrivals[0].endswith(b"of-alice:[0, 1]")
    assert (state.came_from, place.lost) == (one.node.name, ())
    assert (await comes(two, "bob", "s2")).arrivals[0].endswith(b"of-bob:[7]")
    assert two.count("recovered") == 2


async def test_nothing_is_written_any_more_for_what_another_node_took(town: Town, shelves: Shelves) -> None:
    one, two = await joins(town, "one"), await joins(town, "two")
    await comes(one, "alice", "s1")
    claim = one.node.claims.of("alice")[0]
    assert await write(one, whole("alice", "s1")) == [Written.DONE]
    await comes(two, "alice", "s1")
    assert await write(two, whole("alice", "s1", 5)) == [Written.DONE]
    assert await write(one, whole("alice", "s1", 6)) == [Written.VOID], "it knows that it gave it away"
    one.node.claims._of["alice"] = (claim,)  # and if it does not
    assert await write(one, whole("alice", "s1", 6)) == [Written.VOID]
    assert one.voided == ["alice"]
    assert shelves.get("alice").whole.outbox.acked == 5


async def test_what_was_on_its_way_when_a_start_claimed_anew_here_is_written_once_more(town: Town) -> None:
    one = await joins(town, "one")
    await comes(one, "alice", "s1")
    (claim,) = one.node.claims.of("alice")
    one.node.claims._of["alice"] = (replace(claim, generation=claim.generation - 1),)  # as it was before
    writing = asyncio.ensure_future(write(one, whole("alice", "s1")))
    await asyncio.sleep(0)
    one.node.claims._of["alice"] = (claim,)
    assert await writing == [Written.AGAIN], "what waits for it goes on when it is there"
    assert one.voided == []


async def test_what_a_lost_connection_still_carries_is_not_written(town: Town, empty_server: DirectoryServer) -> None:
    """It may come behind what the next connection brought, and be older than that."""
    one = await joins(town, "one")
    await comes(one, "alice", "s1")
    entries, late = one.node.replicas._entries, []
    ask = entries._ask

    def hold(script: AtomicScript, *question: Any) -> asyncio.Future[object]:
        if script is not REPLICATE:
            return ask(script, *question)
        late.append(question)
        return asyncio.get_running_loop().create_future()

    entries._ask = hold  # as a network may
    lost = asyncio.ensure_future(write(one, whole("alice", "s1", 1)))
    await until(lambda: late)
    entries._ask = ask
    server = one.node.link.server
    empty_server.command("CLIENT", "KILL", "TYPE", "normal")
    await one.node.membership.look_again()  # which finds it broken off
    await until(lambda: one.node.link.server != server and one.node.replicas.ready)
    await until(lambda: one.node.claims.of("alice")[0].term == one.node.lease.term)
    assert await write(one, whole("alice", "s1", 2)) == [Written.DONE]
    assert await ask(REPLICATE, *late[0]) == b"era"
    assert SessionReplica.FromString(await entries.replica("alice")).whole.outbox.acked == 2
    lost.cancel()


async def test_what_ended_leaves_nothing_and_what_is_not_as_long_as_it_was_is_written_anew(
    town: Town, shelves: Shelves
) -> None:
    one = await joins(town, "one")
    await comes(one, "alice", "s1")
    record = whole("alice", "s1")
    await write(one, record)
    behind = len(record.data)
    assert await write(one, later("alice", 1, behind + 3)) == [Written.AGAIN]
    assert not shelves.get("alice").HasField("whole")
    assert await write(one, record, later("bob", 1, 0)) == [Written.DONE, Written.VOID]
    one.leave("alice")
    await until(lambda: not one.node.telling.under_way)
    assert not shelves.get("alice").HasField("whole")


@pytest.mark.parametrize("told", ["alice", "broken", "nothing"])
async def test_a_session_is_lost_where_nothing_good_is_written(town: Town, shelves: Shelves, told: str) -> None:
    one, two = await joins(town, "one"), await joins(town, "two")
    await comes(one, told, "s1")
    if told != "nothing":
        await write(one, whole(told, "s1"))
    if told == "alice":  # of an earlier life of the data
        replica = shelves.get(told)
        replica.era = "other"
        shelves.set(told, replica)
    await dies(town, "one", two)
    place = await comes(two, told, "s2")
    assert (place.arrivals, [lost.session_id for lost in place.lost]) == ((), ["s1"])
    assert two.count("lost") == 1


async def test_a_node_that_writes_nothing_leaves_nothing_old(town: Town) -> None:
    one, plain, three = await joins(town, "one"), await town.join("plain"), await joins(town, "three")
    await comes(one, "alice", "s1")
    await write(one, whole("alice", "s1"))
    await comes(plain, "alice", "s1")
    await dies(town, "plain", three)
    assert [lost.session_id for lost in (await comes(three, "alice", "s2")).lost] == ["s1"]


async def test_nothing_is_written_while_the_directory_is_away(shaky_town: Town, own_server: DirectoryServer) -> None:
    one = await shaky_town.join("one", retaining=RETAINING)
    await comes(one, "alice", "s1")
    assert one.node.replicas.ready
    own_server.pause()
    assert await write(one, whole("alice", "s1")) == [Written.LATER]
    assert not one.node.replicas.ready
    own_server.go_on()
    await until(lambda: one.node.replicas.ready)
    await until(lambda: one.node.claims.of("alice")[0].term == one.node.lease.term)
    assert await write(one, whole("alice", "s1")) == [Written.DONE]
