"""Acknowledgement, resume, take-over: what a client has, and what it gets again (protocol §2, §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, ResetReason, SyncHint
from quicgw_fast.session import SessionState
from tests.support.wire import error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


async def fill(house: House, count: int, target: str = "alice") -> None:
    for number in range(count):
        assert (await house.push(target, content=str(number))).success


# Acknowledgement


async def test_what_is_acknowledged_is_let_go(house: House) -> None:
    client = await house.online()
    await fill(house, 3)
    client.ack(3)
    outbox = client.session.outbox
    assert (outbox.acked_seq, outbox.retained) == (3, 1)
    assert not client.pushes(client.ack(4))  # an ACK has no answer
    assert outbox.retained == 0


async def test_a_stale_ack_is_ignored(house: House) -> None:
    client = await house.online()
    await fill(house, 3)
    client.ack(3)
    client.ack(2)
    client.ack(0)
    client.ack(3)
    assert client.session.outbox.acked_seq == 3
    assert client.ended is None


async def test_an_ack_of_what_was_never_sent_is_a_protocol_error(house: House) -> None:
    client = await house.online()
    await fill(house, 1)
    (push,) = client.pushes(client.ack(3))
    assert error(push).error_code == 400
    assert client.ended is CloseCode.PROTOCOL_ERROR
    assert client.session.outbox.acked_seq == 1
    assert house.back(client, 1).answer.resumed


# Resume


@pytest.mark.parametrize("by_session", [True, False])
async def test_a_resume_replays_what_is_missing_and_then_goes_on(house: House, by_session: bool) -> None:
    client = await house.online()
    await fill(house, 4)
    client.link.lose()
    await house.push(content="away")
    again = house.back(client, 3, by_session=by_session)
    answer = again.answer
    assert (answer.success, answer.resumed, answer.reset_reason, answer.replay_from) == (True, True, 0, 4)
    assert (answer.connection_id, answer.epoch) == (client.answer.connection_id, client.answer.epoch)
    assert answer.max_client_seq == 1
    await house.push(content="new")
    assert again.numbers == [4, 5, 6, 7]
    assert again.texts == ["2", "3", "away", "new"]
    assert again.session.state is SessionState.NORMAL


async def test_a_replayed_message_is_the_same_to_the_byte(house: House) -> None:
    client = await house.online()
    await house.push(content="b", hint=SyncHint.BEFORE_RESPONSE, client_seq=2, metadata={"z": "1", "a": "2"})
    client.call("echo", b"data")
    await house.settle()
    again = house.back(client, 1)
    assert [push.SerializeToString(deterministic=True) for push in again.numbered] == [
        push.SerializeToString(deterministic=True) for push in client.numbered
    ]


async def test_a_resume_acknowledges(house: House) -> None:
    client = await house.online()
    await fill(house, 4)
    client.link.lose()
    again = house.back(client, 3)
    assert again.session.outbox.acked_seq == 3
    assert house.back(again, 2).answer.reset_reason == ResetReason.NOT_RETAINED


async def test_a_client_that_has_everything_gets_nothing_again(house: House) -> None:
    client = await house.online()
    await fill(house, 2)
    client.link.lose()
    assert house.back(client, 3).numbers == []


async def test_a_resume_may_be_repeated(house: House) -> None:
    client = await house.online()
    await fill(house, 3)
    for _ in range(5):
        client.link.lose()
        client = house.back(client, 1)
        assert client.answer.resumed
        assert client.texts == ["0", "1", "2"]


async def test_a_long_replay_waits_for_room_and_nothing_overtakes_it(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_bytes": "4MiB"})
    client = await house.online()
    for number in range(30):
        await house.push(content=str(number), data=bytes([number]) * 100_000)
    client.link.lose()
    again = house.connect()
    again.link.counts_pending = True
    again.start("alice", 1)
    assert 0 < len(again.numbered) < 30
    assert again.link.pending < 1 << 20
    await house.push(content="new")
    assert again.link.pending < 1 << 20
    while again.numbers[-1] < 32:
        again.link.relieve()
        assert again.link.pending < 1 << 20
    assert again.numbers == list(range(2, 33))


# Resets


async def test_a_fresh_start_is_a_new_session_that_numbers_from_one(house: House) -> None:
    client = await house.online()
    await fill(house, 2)
    again = house.connect()
    answer = again.start("alice")
    assert (answer.resumed, answer.reset_reason) == (False, ResetReason.NONE)
    assert answer.connection_id != client.answer.connection_id
    assert answer.epoch != client.answer.epoch
    assert not any(name.startswith("gap-") for name in again.answer_headers)
    assert client.ended is CloseCode.SUPERSEDED
    assert client.session.state is SessionState.CLOSED
    again.call("hello", seq=70)
    await house.settle()
    assert again.numbers == [1]


async def test_after_a_reset_numbers_go_on_from_what_the_client_has(house: House) -> None:
    client = house.connect()
    answer = client.start("alice", 41, "f" * 32, "e" * 16)
    assert (answer.success, answer.resumed, answer.replay_from) == (True, False, 42)
    assert answer.reset_reason == ResetReason.UNKNOWN_SESSION
    assert client.answer_headers == {"gap-reason": "UNKNOWN_SESSION", "gap-from": "42"}
    client.call("hello")
    await house.settle()
    assert client.numbers == [42]


@pytest.mark.parametrize(
    ("last_acked", "epoch", "reason"),
    [
        (9, "", ResetReason.FUTURE_ACK),
        (1, "", ResetReason.NOT_RETAINED),
        (3, "0" * 16, ResetReason.EPOCH),
    ],
)
async def test_a_live_session_that_cannot_go_on_is_replaced(
    house: House, last_acked: int, epoch: str, reason: ResetReason
) -> None:
    client = await house.online()
    await fill(house, 4)
    client.ack(3)
    again = house.connect()
    answer = again.start("alice", last_acked, client.answer.connection_id, epoch or client.answer.epoch)
    assert (answer.resumed, answer.reset_reason) == (False, reason)
    assert answer.epoch != client.answer.epoch
    assert again.answer_headers["gap-reason"] == reason.name
    assert again.answer_headers["gap-from"] == str(last_acked + 1)
    assert client.ended is CloseCode.SUPERSEDED
    assert client.session.state is SessionState.CLOSED
    assert house.count("resets") == 1


async def test_a_session_ends_with_its_resume_window(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow")
    await fill(house, 2)
    await house.settle()
    client.link.lose()
    await house.pass_time(120.0)
    assert client.session.state is SessionState.NORMAL
    await house.pass_time(0.5)
    assert client.session.state is SessionState.CLOSED
    assert house.budget.used == 0
    again = house.back(client, 2)
    assert again.answer.reset_reason == ResetReason.EXPIRED
    assert {name: value for name, value in again.answer_headers.items() if value != "0"} == {
        "gap-reason": "EXPIRED",
        "gap-from": "3",
        "gap-to": "3",
        "gap-notifies": "1",
        "gap-unanswered": "1",
    }
    assert house.count("sessions_expired") == 1
    assert house.count("in_flight_dropped") == 1


async def test_the_window_begins_when_the_connection_goes(house: House) -> None:
    client = await house.online()
    await house.pass_time(200.0)
    client.link.lose()
    await house.pass_time(119.0)
    assert house.back(client, 1).answer.resumed


async def test_after_a_restart_every_client_is_told(make_house: MakeHouse) -> None:
    before, after = await make_house(), await make_house()
    client = await before.online()
    await fill(before, 5)
    again = after.connect()
    answer = again.start("alice", 4, client.answer.connection_id, client.answer.epoch)
    assert (answer.resumed, answer.reset_reason) == (False, ResetReason.UNKNOWN_SESSION)
    again.call("hello")
    await after.settle()
    assert again.numbers == [5]


# Take-over


async def test_the_newer_connection_wins_at_once(house: House) -> None:
    old = await house.online()
    await fill(house, 2)
    new = house.back(old, 2)
    assert old.ended is CloseCode.SUPERSEDED
    assert new.answer.resumed
    assert new.texts == ["1"]
    assert new.session is old.session
    await house.push(content="n")
    assert new.texts == ["1", "n"]
    assert old.texts == ["0", "1"]
    assert house.count("takeovers") == 1


async def test_nothing_from_the_old_connection_is_processed(house: House) -> None:
    old = await house.online()
    await fill(house, 3)
    new = house.back(old, 1)
    before = len(old.link.sent)
    old.ack(3)
    old.call("echo")
    old.heartbeat()
    old.stop()
    old.raw(b"\xff" * 8)
    old.link.handler.writable()
    await house.settle()
    assert len(old.link.sent) == before
    assert new.session.outbox.acked_seq == 1
    assert new.session.outbox.max_client_seq == 1
    assert new.session.attached
    assert new.ended is None
    new.seq = 1
    new.call("echo", b"mine")
    await house.settle()
    assert new.texts[-1] == "200 mine"


async def test_the_end_of_the_old_connection_does_not_detach_the_session(house: House) -> None:
    old = await house.online()
    new = house.back(old, 1)
    old.link.handler.closed(0, "", True)
    await house.settle()
    assert new.session.attached
    await house.push(content="n")
    assert new.texts == ["n"]


async def test_a_worker_that_finishes_late_writes_to_the_session_not_to_the_old_connection(house: House) -> None:
    old = await house.online()
    house.upstream.held.add("slow")
    seq = old.call("slow")
    await house.settle()
    new = house.back(old, 1)
    house.upstream.waiting()[0].answer(data=b"late")
    await house.settle()
    assert not old.replies(seq)
    assert new.texts == ["200 late"]


async def test_ten_clients_race_for_one_openid_and_one_is_left(house: House) -> None:
    clients = [await house.online()]
    for number in range(1, 10):
        await house.push(content=str(number))
        clients.append(house.back(clients[-1], 1))
    await house.settle()
    assert [client.ended for client in clients] == [CloseCode.SUPERSEDED] * 9 + [None]
    assert clients[-1].texts == [str(number) for number in range(1, 10)]
    assert len(house.path.registry) == 1
    assert len(house.path.conversations.open) == 1


# How it is counted


async def test_starts_are_counted_by_what_came_of_them_and_resumes_by_what_they_sent_again(house: House) -> None:
    client = await house.online()
    for _ in range(3):
        client.call("echo")
    await house.settle()
    assert house.back(client, 2).answer.resumed
    fresh = house.connect()
    fresh.start("alice", 99, client.answer.connection_id, client.answer.epoch)
    assert not fresh.answer.resumed
    shown = {key: value for family in house.metrics if family.name == "session_starts" for key, value in family.read()}
    assert {key: value for key, value in shown.items() if value} == {
        ("started", "NONE"): 1, ("resumed", "NONE"): 1, ("reset", "FUTURE_ACK"): 1,
    }  # fmt: skip
    ((_, recovered),) = house.metrics.distributions("resume_recovered_messages")
    assert (recovered.count, recovered.sum) == (1, 2), "of the replies 1 to 4 its client had two"
