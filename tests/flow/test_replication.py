"""Where sessions are written down before anybody is told of them: what waits, what goes on, and what a death leaves."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, RequestType, SyncHint
from quicgw_fast.flow.replication import REFRESHED_IN
from quicgw_fast.placement import Written
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import GroupPushRequest, JoinGroupRequest
from quicgw_fast.proto.session_pb2 import SessionReplica
from quicgw_fast.session import Event
from tests.flow.shelf import Shelf
from tests.flow.street import Street, move

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def written(make_house: MakeHouse, shelf: Shelf) -> House:
    """A house whose sessions are written down."""
    return await make_house(replicas=shelf)


async def start(house: House, openid: str = "alice", last_acked: int = 0, before: Client | None = None) -> Client:
    client = house.connect()
    named = {} if before is None else {"session_id": before.answer.connection_id, "epoch": before.answer.epoch}
    claim = pb.StartRequest(openid=openid, last_acked_seq_id=last_acked, **named)
    msg_id = client.send(RequestType.START, claim.SerializeToString())
    await house.settle()
    if client.pushes(msg_id):
        client.started(msg_id)
    if before is not None:
        client.seq = before.seq
    return client


async def online(house: House, openid: str = "alice") -> Client:
    client = await start(house, openid)
    client.call("hello")
    await house.settle()
    return client


async def test_the_answer_to_start_waits_until_the_session_is_written(written: House, shelf: Shelf) -> None:
    shelf.holds = True
    client = await start(written)
    client.call("hello")
    client.heartbeat()
    await written.settle()
    assert not client.link.sent
    shelf.write_some()
    await written.settle()
    assert [push.type for push in client.link.sent] == [pb.PUSH_START_RESP, pb.PUSH_HEARTBEAT_RESP]


async def test_a_request_is_called_and_its_reply_sent_when_that_is_written(written: House, shelf: Shelf) -> None:
    client = await online(written)
    written.upstream.held.add("slow")
    shelf.holds = True
    client.call("slow")
    await written.settle()
    assert not written.upstream.waiting("slow")
    shelf.write_some()
    await written.settle()
    (call,) = written.upstream.waiting("slow")
    call.answer(data=b"done")
    await written.settle()
    assert client.texts == ["200 "]
    shelf.write_some()
    await written.settle()
    assert client.texts == ["200 ", "200 done"]


async def test_a_push_is_answered_when_it_is_written_also_one_that_waits(written: House, shelf: Shelf) -> None:
    client = await online(written)
    other = await start(written, "bob")
    shelf.holds = True
    pushes = [written.push(), written.push("bob"), written.push(hint=SyncHint.AFTER_RESPONSE, client_seq=9)]
    tasks = [_begun(push) for push in (*pushes, written.broadcast())]
    await written.settle()
    assert not any(task.done() for task in tasks)
    for _ in range(2):
        shelf.write_some()
        await written.settle()
    assert [task.result().message for task in tasks] == ["sent", "cached", "bound", "sent"]
    assert (client.texts[1:], other.texts) == (["n", "b"], [])


async def test_a_push_waits_for_nobody_elses_session(written: House, shelf: Shelf) -> None:
    await online(written)
    await online(written, "bob")
    shelf.later.add("alice")
    waits = _begun(written.push())
    assert (await written.push("bob")).success
    joining = JoinGroupRequest(target_type="openid", target_id="bob", group="g")
    assert (await written.path.services.groups.join(joining)).success
    assert not waits.done()
    shelf.later.clear()
    assert (await waits).success


@pytest.mark.parametrize("ended_by", ["what is written", "its keeper"])
async def test_no_success_is_told_of_what_somebody_else_goes_on_without(
    written: House, shelf: Shelf, ended_by: str
) -> None:
    await online(written)
    (session,) = written.path.registry
    shelf.holds = True
    joining = JoinGroupRequest(target_type="openid", target_id="alice", group="g")
    asked = [written.push(), written.push(idempotency_key="k"), written.path.services.groups.join(joining)]
    tasks = [_begun(each) for each in asked]
    await written.settle()
    if ended_by == "its keeper":
        written.path.closing.end(session, Event.REPLACED, CloseCode.SUPERSEDED, "another node has the session")
    shelf.outcome = Written.VOID
    while not all(task.done() for task in tasks):
        shelf.write_some()
        await written.settle()
    for answer in (*(task.result() for task in tasks), await written.push(idempotency_key="k")):
        assert (answer.success, answer.error_code) == (False, "NODE_UNREACHABLE")
        assert "may have been taken" in answer.message


async def test_what_is_for_many_counts_nobody_who_goes_on_elsewhere_without_it(written: House, shelf: Shelf) -> None:
    for name in ("alice", "bob", "carol"):
        await online(written, name)
        joining = JoinGroupRequest(target_type="openid", target_id=name, group="g")
        assert (await written.path.services.groups.join(joining)).success
    shelf.later.add("alice")
    spread = GroupPushRequest(group="g", data=b"to the group")
    tasks = [_begun(written.broadcast()), _begun(written.path.services.groups.push(spread))]
    await written.settle()
    assert not any(task.done() for task in tasks), "of alice nobody knows yet"
    (alice, *_) = written.path.registry
    written.path.closing.end(alice, Event.REPLACED, CloseCode.SUPERSEDED, "another node has the session")
    shelf.later.clear()
    await _until(written, lambda: all(task.done() for task in tasks))
    assert [task.result().sent_count for task in tasks] == [2, 2]


def _begun(work: Awaitable[object]) -> asyncio.Task[object]:
    import asyncio

    return asyncio.ensure_future(work)  # type: ignore[arg-type]


async def test_all_that_changes_in_one_turn_is_written_together(written: House, shelf: Shelf) -> None:
    clients = [await online(written, f"user {number}") for number in range(20)]
    calls = shelf.calls
    await written.broadcast()
    assert shelf.calls == calls + 1
    assert all(client.texts[-1] == "b" for client in clients)


async def test_a_session_goes_on_in_another_house_with_what_was_seen(
    written: House, shelf: Shelf, make_house: MakeHouse
) -> None:
    client = await online(written)
    join = JoinGroupRequest(target_type="openid", target_id="alice", group="team")
    assert (await written.path.services.groups.join(join)).success
    written.upstream.held.add("slow")
    await written.push(content="one")
    client.call("slow", b"never answered")
    await written.settle()
    await written.push(content="after it", hint=SyncHint.AFTER_RESPONSE, client_seq=client.seq)
    there = await make_house(beside=written, replicas=Shelf())
    session = shelf.revive("alice", there)
    again = await start(there, "alice", 1, client)
    assert again.answer.resumed
    assert again.answer.max_client_seq == 2
    assert again.texts == ["one", "error 500", "after it"]
    assert again.numbers == [2, 3, 4]
    assert list(session.groups or ()) == ["team"]
    again.call("echo", b"on")
    await there.settle()
    assert again.texts[3:] == ["200 on"]


async def test_what_was_not_written_was_seen_by_nobody(written: House, shelf: Shelf, make_house: MakeHouse) -> None:
    client = await online(written)
    shelf.holds = True
    _begun(written.push(content="unseen"))
    await written.settle()  # this is written, but nobody knows
    client.call("echo")
    await written.settle()
    there = await make_house(beside=written, replicas=Shelf())
    shelf.revive("alice", there)
    again = await start(there, "alice", 1, client)
    assert (again.answer.resumed, again.answer.max_client_seq) == (True, 1)
    again.seq = 1
    again.call("echo", b"once more")
    await there.settle()
    assert again.texts == ["200 once more"]
    assert written.upstream.called().count("echo") == 1


async def test_a_session_that_cannot_be_written_holds_up_nobody_else(
    written: House, caplog: pytest.LogCaptureFixture
) -> None:
    await online(written)
    await online(written, "bob")
    (broken, _) = written.path.registry
    broken.outbox.accept(2)  # as a bug would, of which nobody knows what it is
    told = _begun(written.push())
    assert (await written.push("bob")).success
    assert not (await told).success
    assert [record.message for record in caplog.records if record.exc_info] == ["session cannot be written"]


async def test_what_is_for_many_reaches_a_session_once_whose_house_died(
    written: House, shelf: Shelf, make_house: MakeHouse
) -> None:
    client = await online(written)
    new = Shelf(shelf.replicas)
    there = await make_house(beside=written, replicas=new)
    await written.broadcast("sooner here", spread_id=b"1")
    await there.broadcast("sooner there", spread_id=b"2")
    await written.broadcast("sooner there", spread_id=b"2")
    shelf.outcome = Written.VOID
    await there.broadcast("when it was dead", spread_id=b"3")
    new.revive("alice", there)
    await there.broadcast("sooner here", spread_id=b"1")
    await there.broadcast("behind", spread_id=b"4")
    again = await start(there, "alice", client.numbers[-1], client)
    await there.settle()
    assert client.texts[1:] == ["sooner here", "sooner there"]
    assert again.texts == ["when it was dead", "behind"]


async def test_what_cannot_be_written_waits_and_is_written_anew(written: House, shelf: Shelf) -> None:
    client = await online(written)
    for outcome in (Written.LATER, Written.AGAIN):
        client.link.sent.clear()
        shelf.outcome = outcome
        client.call("echo", b"x")
        await written.settle()
        shelf.outcome = Written.DONE
        await _until(written, lambda: client.texts == ["200 x"])
    client.link.sent.clear()
    shelf.ready = False
    client.call("echo", b"y")
    await written.settle()
    assert not client.texts
    shelf.ready = True
    await _until(written, lambda: client.texts == ["200 y"])
    shelf.replicas.clear()  # the directory lost it
    client.call("echo", b"z")
    await _until(written, lambda: client.texts[-1:] == ["200 z"])
    assert shelf.replicas["alice"]


async def _until(house: House, true: Callable[[], bool]) -> None:
    import asyncio

    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)
            await house.settle()


async def test_a_start_whose_session_cannot_be_written_is_refused_and_may_come_again(
    written: House, shelf: Shelf
) -> None:
    shelf.ready = False
    client = await start(written)
    await _until(written, lambda: client.ended is not None)
    (refusal,) = client.link.sent
    answer = pb.StartResponse.FromString(refusal.payload)
    assert (answer.success, answer.error.error_code) == (False, 503)
    assert "retry-after-ms" in refusal.headers
    shelf.ready = True
    again = await start(written)
    await _until(written, lambda: bool(again.link.sent))


async def test_a_session_that_moves_takes_along_what_is_not_written(make_house: MakeHouse, shelf: Shelf) -> None:
    street = Street()
    here = await make_house(elsewhere=street, replicas=shelf)
    there = await make_house(elsewhere=street, beside=here, replicas=Shelf())
    street.houses += [here, there]
    client = await online(here)
    shelf.holds = True
    client.call("echo", b"unwritten")
    await here.settle()
    client.call("echo", b"either")
    (session,) = move("alice", here, there, 1)
    again = await start(there, "alice", 1, client)
    await there.settle()
    assert again.texts == ["200 unwritten", "200 either"]
    shelf.write_some()
    await here.settle()
    assert here.upstream.called().count("echo") == 2
    assert here.path.request_memory.used == there.path.request_memory.used == 0
    assert session.replica is not None


async def test_replicas_of_those_who_are_silent_are_refreshed(written: House, shelf: Shelf) -> None:
    for number in range(20):
        await online(written, f"user {number}")
    for _ in range(REFRESHED_IN):
        await written.pass_time(1.0)
    assert set(shelf.refreshed) == {f"user {number}" for number in range(20)}


async def test_sessions_are_written_again_in_a_new_life_of_the_data(written: House, shelf: Shelf) -> None:
    """Also those for which nothing happens: what was written before is good for nothing."""
    first = await online(written)
    await online(written, "bob")
    shelf.life = "two"
    await written.push(data=b"news")
    assert len(SessionReplica.FromString(shelf.replicas["alice"]).later) == 0, "not behind what is good for nothing"
    shelf.replicas.clear()
    calls = shelf.calls
    await written.pass_time(1.0)
    await written.settle()
    assert shelf.replicas.keys() == {"bob"}
    for _ in range(3):
        await written.pass_time(1.0)
    assert shelf.calls == calls + 1
    assert first.texts[-1] == "news"


@pytest.mark.parametrize("seed", range(8))
async def test_a_house_may_die_at_any_moment(make_house: MakeHouse, shelf: Shelf, seed: int) -> None:
    """Whatever was seen is there afterwards, each number once; each request that was accepted has one reply."""
    rng, house = random.Random(seed), await make_house(replicas=shelf)
    client = await online(house)
    seen = {push.seq_id: push.SerializeToString() for push in client.numbered}
    acked, called = 0, 1
    for _death in range(3):
        for _ in range(rng.randint(3, 25)):
            what = rng.choice(("call", "call", "push", "bind", "ack", "hold", "write", "settle", "lose"))
            shelf.holds = what == "hold" or (shelf.holds and what not in {"write", "lose"})
            if what == "call" and not client.link.closed:
                called = client.call("echo", b"%d" % client.seq)
            elif what in {"push", "bind"}:
                hint = SyncHint.AFTER_RESPONSE if what == "bind" else SyncHint.IMMEDIATELY
                _begun(house.push(hint=hint, client_seq=client.seq + 1))
            elif what == "ack" and client.numbers and not client.link.closed:
                acked = client.numbers[-1]
                client.ack(acked)
            elif what == "write":
                shelf.write_some()
            elif what == "lose" and not client.link.closed:
                shelf.write_some()
                client.link.lose()
                await house.settle()
                client = await start(house, "alice", acked, client)
            else:
                await house.settle()
            _see(client, seen)
        shelf.holds = False
        house, shelf, client = await _dies(make_house, house, shelf, client, acked, seen)
        called = client.seq
    await house.settle()
    client.call("echo", b"last")
    await house.settle()
    _see(client, seen)
    assert sorted(seen) == list(range(1, max(seen) + 1))
    replies = [push.msg_id for push in map(pb.ServerPush.FromString, seen.values()) if push.msg_id]
    assert sorted(replies) == sorted(1000 + seq for seq in range(1, called + 2))


async def _dies(
    make_house: MakeHouse, house: House, shelf: Shelf, client: Client, acked: int, seen: dict[int, bytes]
) -> tuple[House, Shelf, Client]:
    """Another house goes on; what the first one wants to write from now on is refused, as its claim is gone."""
    client.link.closed = True
    _see(client, seen)
    new, shelf.outcome = Shelf(shelf.replicas), Written.VOID
    there = await make_house(beside=house, replicas=new)
    new.revive("alice", there)
    again = await start(there, "alice", acked, client)
    assert again.answer.resumed, "nothing is lost, so there is no reset"
    again.seq = again.answer.max_client_seq
    _see(again, seen)
    return there, new, again


def _see(client: Client, seen: dict[int, bytes]) -> None:
    for push in client.numbered:
        data = push.SerializeToString()
        assert seen.setdefault(push.seq_id, data) == data, f"number {push.seq_id} is two messages"
