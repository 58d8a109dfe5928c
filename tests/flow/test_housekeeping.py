"""What time does to sessions and connections."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode, SyncHint
from quicgw_fast.flow.housekeeping import LONGEST_REST, SLICE
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.session import Session, SessionState
from tests.flow.endings import until
from tests.support.wire import frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.session import Session
    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


async def test_a_silent_session_is_closed_and_can_be_resumed(house: House) -> None:
    client = await house.online()
    await house.pass_time(300.0)
    assert client.ended is None
    await house.pass_time(0.5)
    assert client.ended is CloseCode.IDLE
    assert client.session.state is SessionState.NORMAL
    assert house.back(client, 1).answer.resumed
    assert house.count("idle_closed") == 1


@pytest.mark.parametrize("how", ["heartbeat", "ack", "business", "refused"])
async def test_any_message_keeps_a_session_alive(house: House, how: str) -> None:
    client = await house.online()

    def speak(client: Client) -> None:
        match how:
            case "heartbeat":
                client.heartbeat()
            case "ack":
                client.ack(0)
            case "business":
                client.call("echo")
            case "refused":
                client.call("echo", seq=12345)

    for _ in range(4):
        await house.pass_time(250.0)
        speak(client)
    assert client.ended is None


async def test_what_is_pushed_to_a_client_keeps_nothing_alive(house: House) -> None:
    client = await house.online()
    for _ in range(4):
        await house.push()
        await house.pass_time(80.0)
    assert client.ended is CloseCode.IDLE


async def test_a_session_that_was_idle_expires_after_its_resume_window(house: House) -> None:
    client = await house.online()
    await house.pass_time(301.0)
    await house.pass_time(121.0)
    assert client.session.state is SessionState.CLOSED
    assert len(house.path.registry) == 0


async def test_a_session_that_never_logged_in_expires_too(house: House) -> None:
    client = house.started()
    await house.push(content="cached")
    client.link.lose()
    await house.pass_time(121.0)
    again = house.back(client, 0)
    assert again.answer_headers["gap-reason"] == "EXPIRED"
    assert again.answer_headers["gap-notifies"] == "1"


async def test_bindings_expire_without_a_connection_as_well(house: House) -> None:
    client = await house.online()
    await house.push(hint=SyncHint.BEFORE_RESPONSE, client_seq=9)
    client.link.lose()
    await house.pass_time(61.0)
    assert client.session.outbox.bound == 0
    assert house.count("binds_expired") == 1


async def test_a_session_to_which_nothing_comes_is_left_alone_for_a_while(house: House) -> None:
    client = await house.online()
    session = client.session
    await house.pass_time(1.0)
    assert session.look_at == house.clock.now + LONGEST_REST
    await house.pass_time(LONGEST_REST / 2)
    assert session.look_at == house.clock.now + LONGEST_REST / 2, "nobody looked"
    await house.pass_time(LONGEST_REST / 2)
    assert session.look_at == house.clock.now + LONGEST_REST
    await house.pass_time(285.0)
    assert session.look_at == session.last_activity + 300.0, "no longer than until it may be due"


@pytest.mark.parametrize("what", ["push", "broadcast", "bind", "renewal", "resume"])
async def test_what_comes_to_a_session_ends_its_rest(house: House, what: str) -> None:
    client = await house.online()
    await house.pass_time(1.0)
    match what:
        case "push":
            await house.push()
        case "broadcast":
            await house.broadcast()
        case "bind":
            await house.push(hint=SyncHint.BEFORE_RESPONSE, client_seq=9)
        case "renewal":
            client.heartbeat(auth_token="another")
        case "resume":
            house.back(client, 1)
    assert client.session.look_at <= house.clock.now


async def test_a_session_that_waits_for_a_time_is_looked_at_in_every_round(house: House) -> None:
    bound, away = await house.online("bound"), await house.online("away")
    await house.push("bound", hint=SyncHint.BEFORE_RESPONSE, client_seq=9)
    away.link.lose()
    await house.settle()
    for _ in range(3):
        await house.pass_time(1.0)
        assert bound.session.look_at == away.session.look_at == house.clock.now


async def test_a_round_that_fails_is_logged_and_the_next_one_works(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = await make_house(session={"start_timeout": "10ms"})
    done = asyncio.Event()
    rounds = 0

    def fails(now: float, wall: float) -> list[None]:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise OSError("disk full")
        done.set()
        return []

    monkeypatch.setattr(house.housekeeping, "slices", fails)
    task = asyncio.create_task(house.housekeeping.run())
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(done.wait(), 10.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "housekeeping failed" in caplog.text


async def test_one_session_that_fails_does_not_keep_the_others_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [await house.online(openid) for openid in ("alice", "bob", "carol")]
    for client in clients:
        client.link.lose()
    end = house.path.registry.end

    def fails_for_alice(session: Session, *details: Any) -> int:
        if session.openid == "alice":
            raise OSError("surprise")
        return end(session, *details)

    monkeypatch.setattr(house.path.registry, "end", fails_for_alice)
    with caplog.at_level(logging.ERROR):
        await house.pass_time(121.0)
        await house.pass_time(1.0)
    assert [client.session.state is SessionState.CLOSED for client in clients] == [False, True, True]
    failures = [record for record in caplog.records if record.name == "quicgw.housekeeping"]
    assert [record.getMessage() for record in failures] == ["housekeeping step failed"]
    assert house.count("housekeeping_failed") == 2


async def test_one_chore_that_fails_keeps_no_other_from_its_turn(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[float] = []

    def fails(now: float) -> None:
        raise OSError("no descriptor is free")

    monkeypatch.setattr(house.housekeeping, "_chores", [fails, done.append])
    await house.pass_time(1.0)
    assert done == [house.clock.now]
    assert house.count("housekeeping_failed") == 1


async def test_one_connection_that_fails_does_not_keep_the_others_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [house.connect(f"192.0.2.{number}:1") for number in range(3)]

    def fails(data: bytes) -> None:
        raise OSError("surprise")

    monkeypatch.setattr(clients[1].link, "send", fails)
    with caplog.at_level(logging.ERROR, "quicgw.housekeeping"):
        await house.pass_time(60.0)
    assert [client.ended for client in clients] == [CloseCode.PROTOCOL_ERROR, None, CloseCode.PROTOCOL_ERROR]
    (line,) = caplog.records
    assert line.getMessage() == "housekeeping step failed"
    assert (vars(line)["peer"], "surprise" in vars(line)["exception"]) == ("192.0.2.1:1", True)
    assert house.count("housekeeping_failed") == 1


async def test_it_goes_round_by_itself_and_lets_others_work_between(make_house: MakeHouse) -> None:
    house = await make_house(session={"start_timeout": "10ms"})
    clients = [await house.online(openid) for openid in ("alice", "bob")]
    task = asyncio.create_task(house.housekeeping.run())
    house.clock.advance(301.0)
    await until(lambda: all(client.ended is CloseCode.IDLE for client in clients))
    house.clock.advance(121.0)
    await until(lambda: not len(house.path.registry))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_others_have_their_turn_within_a_round_of_many_sessions(house: House) -> None:
    for number in range(2 * SLICE + 1):
        house.path.registry.create(f"user-{number}", 0, house.clock.now).detached_at = house.clock.now
    house.clock.advance(121.0)
    left = [len(house.path.registry) for _ in house.housekeeping.slices(house.clock.now, house.clock.wall)]
    assert left == [SLICE + 1, 1, 0]


async def test_a_session_that_ends_within_a_round_is_left_alone(house: House) -> None:
    clients = [house.started(f"user-{number}") for number in range(SLICE + 1)]
    house.clock.advance(301.0)
    round_ = house.housekeeping.slices(house.clock.now, house.clock.wall)
    next(round_)
    clients[-1].stop()
    assert list(round_) == [None]
    assert clients[-1].ended is CloseCode.NORMAL
    assert house.count("idle_closed") == SLICE


async def test_connections_that_wait_for_nothing_cost_a_round_nothing(house: House) -> None:
    waiting, whole, partial = house.connect(), house.started("whole"), house.started("partial")
    beat = frame(pb.ClientRequest(type=pb.REQUEST_HEARTBEAT).SerializeToString())
    partial.raw(beat + beat[:3])
    assert house.path.conversations.watched == {waiting.conversation, partial.conversation}
    partial.raw(beat[3:])
    assert house.path.conversations.watched == {waiting.conversation}
    partial.raw(beat[:3])
    partial.link.lose()
    waiting.link.lose()
    assert not house.path.conversations.watched
    assert house.path.conversations.open == {whole.conversation}


@pytest.mark.parametrize(("times", "pause"), [({}, 0.625), ({"start_timeout": "80ms"}, 0.01)])
async def test_rounds_are_as_frequent_as_the_shortest_time_needs(
    make_house: MakeHouse, times: dict[str, str], pause: float
) -> None:
    house = await make_house(session=times)
    assert house.housekeeping._pause == pytest.approx(pause)
