"""Openids that go from node to node: claimed, fetched, lost, found, released."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.placement import HERE, Place, PlaceTrouble
from tests.cluster.town import LEASE, told
from tests.support.directory_server import until

if TYPE_CHECKING:
    from tests.cluster.town import Inhabitant, Town
    from tests.support.directory_server import DirectoryServer


async def test_an_openid_that_nobody_has_may_live_here_and_the_second_start_is_answered_at_once(town: Town) -> None:
    one = await town.join("one")
    assert await one.come("alice", "s1") == HERE
    assert one.node.placement.claim("alice", "s1") is HERE
    assert (one.count("granted"), one.count("here")) == (1, 1)


async def test_it_comes_to_another_node_with_what_is_in_it(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    place = await two.come("alice")
    assert (place.here, place.arrivals, place.lost) == (True, (b"s1",), ())
    assert not one.sessions
    assert not one.node.placement.may_act("alice")
    assert two.node.placement.may_act("alice")
    await until(lambda: one.confirmed == ["alice"])
    assert (await one.come("alice")).arrivals == (b"s1",)


async def test_what_has_ended_is_not_looked_for(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    one.leave("alice")
    await asyncio.sleep(0)
    assert await two.come("alice", "s2") == HERE
    assert two.count("granted") == 1


async def test_two_nodes_race_and_one_of_them_has_it(town: Town) -> None:
    nodes = [await town.join(name) for name in ("one", "two", "three")]
    await nodes[2].come("alice", "s0")
    for _ in range(30):
        await asyncio.gather(*(node.come("alice") for node in nodes))
        await until(lambda: not any(node.node.telling.under_way for node in nodes))
        having = [node for node in nodes if "alice" in node.sessions]
        assert len(having) <= 1
        acting = [node for node in nodes if node.node.placement.may_act("alice")]
        assert len(acting) <= 1
        if having:
            assert having[0].sessions["alice"][0] == "s0"


async def test_what_is_given_away_while_it_is_confirmed_is_found_until_somebody_has_taken_it(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    await until(lambda: not one.node.telling.under_way)
    (claim,) = one.node.claims.of("alice")
    confirming = asyncio.ensure_future(one.node._confirming.one(claim))
    await asyncio.sleep(0)  # it has begun
    assert one.gives("alice", claim.generation, claim.generation + 1, ()) == [b"s1"]  # to whom does not hear it
    assert not await confirming
    await until(lambda: not one.node.telling.under_way)
    assert (await two.come("alice", "s2")).arrivals == (b"s1",)


async def test_who_does_not_answer_keeps_it_while_its_lease_holds(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    town.unreachable.add(("two", "one"))
    place = await two.come("alice")
    assert (place.here, place.trouble) == (False, PlaceTrouble.NODE_UNREACHABLE)
    assert one.node.placement.may_act("alice")
    town.unreachable.clear()
    assert (await two.come("alice")).arrivals == (b"s1",)


async def test_of_a_node_that_died_it_is_known_what_was_lost(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    await until(lambda: not one.node.telling.under_way)
    await town.die("one")
    assert not (await two.come("alice")).here
    died = asyncio.get_running_loop().time()
    while not (place := await two.come("alice", "s2")).here:
        assert asyncio.get_running_loop().time() < died + 3 * LEASE
        await asyncio.sleep(0.02)
    assert [(lost.session_id, lost.epoch, lost.node) for lost in place.lost] == [("s1", "e", one.node.name)]
    assert two.count("lost") == 1


async def test_what_came_waits_for_the_next_start_when_a_client_has_gone(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    answer = two.node.placement.claim("alice", "")
    assert not isinstance(answer, Place)
    answer.cancel()
    await until(lambda: two.count("fetched") == 1)
    place = two.node.placement.claim("alice", "")
    assert isinstance(place, Place)
    assert place.arrivals == (b"s1",)
    three = await town.join("three")
    assert (await three.come("alice")).arrivals == (b"s1",), "and for whoever claims it"


async def test_a_session_that_is_on_its_way_is_not_taken_for_none(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    assert (await told(two.node.placement.claim("alice", "s1"))).arrivals == (b"s1",)
    for kind, named in (("openid", "alice"), ("session", "s1")):
        assert (await told(two.node.placement.find(kind, named))).trouble is PlaceTrouble.COMING
    two.node.placement.settled("alice", "s1", "e", "")
    await until(lambda: not two.node.telling.under_way)
    assert await told(two.node.placement.find("session", "s1")) == HERE


async def test_a_session_and_a_gid_are_found_wherever_they_are(town: Town) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come("alice", "s1")
    one.node.placement.settled("alice", "s1", "e", "friends")
    await until(lambda: not one.node.telling.under_way)
    for kind, named in (("openid", "alice"), ("session", "s1"), ("gid", "friends")):
        place = await told(two.node.placement.find(kind, named))
        assert (place.here, place.nodes, place.trouble) == (False, (one.node.name,), PlaceTrouble.ELSEWHERE)
        assert await told(one.node.placement.find(kind, named)) == HERE
        assert await told(two.node.placement.find(kind, "nobody")) == HERE
    one.leave("alice")
    await asyncio.sleep(0.05)
    for kind, named in (("openid", "alice"), ("session", "s1"), ("gid", "friends")):
        assert await told(two.node.placement.find(kind, named)) == HERE


async def test_with_several_devices_the_named_session_comes_and_the_oldest_one_too_many(town: Town) -> None:
    one, two = await town.join("one", devices=2), await town.join("two", devices=2)
    assert await told(one.node.placement.claim("alice", "")) == HERE
    one.node.placement.settled("alice", "s1", "e", "")
    assert await told(one.node.placement.claim("alice", "")) == HERE
    one.node.placement.settled("alice", "s2", "e", "")
    await until(lambda: not one.node.telling.under_way)
    one.sessions["alice"] = "s2", b"s2"
    assert (await told(two.node.placement.claim("alice", "s2"))).arrivals == (b"s2",)
    two.node.placement.settled("alice", "s2", "e", "")
    await until(lambda: not two.node.telling.under_way)
    one.sessions["alice"] = "s1", b"s1"
    one.departed.clear()
    assert (await told(two.node.placement.claim("alice", ""))).arrivals == (b"s1",), "there are two already"
    two.node.placement.settled("alice", "s3", "e", "")
    assert not one.node.placement.may_act("alice")


@pytest.mark.parametrize("openid", ["ålice", "a" * 256, "a:b{c} d\n"])
async def test_any_openid_will_do(town: Town, openid: str) -> None:
    one, two = await town.join("one"), await town.join("two")
    await one.come(openid, "s1")
    assert (await two.come(openid)).arrivals == (b"s1",)


async def test_a_session_takes_up_to_400_bytes_in_the_directory(town: Town, empty_server: DirectoryServer) -> None:
    one = await town.join("one")

    async def fill(number: int) -> None:
        openid = f"user-{number:012}"
        await told(one.node.placement.claim(openid, ""))
        one.node.placement.settled(openid, f"{number:032x}", f"{number:016x}", f"group-{number:012}")

    before = used(empty_server)
    for start in range(0, 5000, 500):
        await asyncio.gather(*(fill(number) for number in range(start, start + 500)))
    await until(lambda: not one.node.telling.under_way)
    each = (used(empty_server) - before) / 5000
    print(f"{each:.0f} bytes a session")
    assert each <= 400


def used(server: DirectoryServer) -> int:
    told = server.command("INFO", "memory").decode()
    return int(told.partition("used_memory_dataset:")[2].split()[0])


def acting(nodes: list[Inhabitant], openid: str) -> list[Inhabitant]:
    return [node for node in nodes if node.node.placement.may_act(openid)]
