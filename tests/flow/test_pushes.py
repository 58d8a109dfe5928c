"""Pushes, row by row of the table in protocol §4, and broadcasts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, ErrorCode, ResetReason, SyncHint
from quicgw_fast.errors import RequestError
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

BEFORE, AFTER, NOW = SyncHint.BEFORE_RESPONSE, SyncHint.AFTER_RESPONSE, SyncHint.IMMEDIATELY


# What a notify is


async def test_a_notify_as_the_client_sees_it(house: House) -> None:
    client = await house.online()
    await house.push(content="text", metadata={"k": "v"})
    (push,) = client.numbered
    assert (push.msg_id, push.type) == (0, pb.PUSH_BUSINESS_DATA)
    assert business(push) == pb.BusinessResponse(code=200, message="[t] x", data=b"text")
    assert dict(push.headers) == {"k": "v", "notify-type": "t", "notify-title": "x", "notify-content": "text"}


# BEFORE / AFTER a request that is in flight, or not seen yet


async def test_notifies_around_a_reply_are_one_step(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    seq = client.call("slow")
    await house.settle()
    for hint, content in ((AFTER, "a1"), (BEFORE, "b1"), (AFTER, "a2"), (BEFORE, "b2")):
        told = await house.push(content=content, hint=hint, client_seq=seq)
        assert (told.success, told.message) == (True, "bound")
    assert not client.numbered
    house.upstream.waiting()[0].answer(data=b"reply")
    await house.settle()
    assert client.texts == ["b1", "b2", "200 reply", "a1", "a2"]
    assert client.numbers == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("hint", [BEFORE, AFTER])
async def test_a_notify_waits_for_a_request_that_was_not_seen_yet(house: House, hint: SyncHint) -> None:
    client = await house.online()
    assert (await house.push(content="n", hint=hint, client_seq=4)).success
    for _ in range(3):
        client.call("echo")
        await house.settle()
    around = ["n", "200 "] if hint is BEFORE else ["200 ", "n"]
    assert client.texts == ["200 ", "200 ", *around]


async def test_before_the_first_request_every_number_is_still_to_come(house: House) -> None:
    client = house.started()
    assert (await house.push(content="b", hint=BEFORE, client_seq=1)).success
    client.call("hello")
    await house.settle()
    assert client.texts == ["b", "200 "]


@pytest.mark.parametrize(
    "failure",
    [
        RequestError(ErrorCode.FAILED, "failed"),
        RequestError(ErrorCode.OVERLOADED, "no instance"),
        RequestError(ErrorCode.DEADLINE_PASSED, "late"),
        OSError("bug"),
    ],
)
async def test_if_the_service_fails_the_error_is_the_reply(house: House, failure: Exception) -> None:
    client = await house.online()
    house.upstream.answers["fail"] = failure
    await house.push(content="b", hint=BEFORE, client_seq=2)
    await house.push(content="a", hint=AFTER, client_seq=2)
    client.call("fail")
    await house.settle()
    assert client.texts == ["b", f"error {getattr(failure, 'code', 500)}", "a"]


@pytest.mark.parametrize("why", ["401", "400", "429"])
async def test_also_around_an_error_that_no_service_made(make_house: Callable[..., Awaitable[House]], why: str) -> None:
    house = await make_house(limits={"message_burst": 1, "messages_per_second": 1e-3} if why == "429" else {})
    client = house.started()
    if why == "429":
        client.call("echo")
        client.link.sent.clear()
    client_seq = client.seq + 1
    await house.push(content="b", hint=BEFORE, client_seq=client_seq)
    await house.push(content="a", hint=AFTER, client_seq=client_seq)
    client.call("echo", payload=b"\xff" if why == "400" else None)
    assert client.texts == ["b", f"error {why}", "a"]


async def test_a_refused_number_does_not_take_the_notifies_bound_to_it(house: House) -> None:
    client = await house.online()
    await house.push(content="b", hint=BEFORE, client_seq=3)
    client.call("echo", seq=3)
    client.call("echo", seq=2)
    client.call("echo", seq=3)
    await house.settle()
    assert client.texts == ["error 400", "200 ", "b", "200 "]


async def test_notifies_bound_while_the_client_is_away_come_with_the_reply(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    seq = client.call("slow")
    await house.settle()
    client.link.lose()
    await house.push(content="b", hint=BEFORE, client_seq=seq)
    again = house.back(client, 1)
    await house.push(content="a", hint=AFTER, client_seq=seq)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert again.texts == ["b", "200 ", "a"]


async def test_a_bound_notify_is_dropped_and_counted_after_its_time(house: House) -> None:
    client = await house.online()
    await house.push(content="b", hint=BEFORE, client_seq=2)
    await house.pass_time(59.0)
    await house.push(content="later", hint=BEFORE, client_seq=2)
    await house.pass_time(1.5)
    assert house.count("binds_expired") == 1
    client.call("echo")
    await house.settle()
    assert client.texts == ["later", "200 "]


async def test_too_many_notifies_for_one_request(house: House) -> None:
    await house.online()
    for number in range(64):
        assert (await house.push(hint=BEFORE if number % 2 else AFTER, client_seq=2)).success
    told = await house.push(hint=BEFORE, client_seq=2)
    assert (told.success, told.error_code) == (False, "BIND_LIMIT")
    assert (await house.push(hint=BEFORE, client_seq=3)).success


async def test_too_many_notifies_for_one_session(house: House) -> None:
    await house.online()
    for number in range(1024):
        assert (await house.push(hint=AFTER, client_seq=2 + number // 64)).success
    assert (await house.push(hint=AFTER, client_seq=1000)).error_code == "BIND_LIMIT"


# The request was answered already


async def test_after_an_answered_request_a_notify_is_sent_at_once(house: House) -> None:
    client = await house.online()
    seq = client.call("echo")
    await house.settle()
    told = await house.push(content="a", hint=AFTER, client_seq=seq)
    assert (told.success, told.message) == (True, "sent")
    assert client.texts == ["200 ", "a"]


async def test_before_an_answered_request_is_refused_and_never_late(house: House) -> None:
    client = await house.online()
    seq = client.call("echo")
    await house.settle()
    told = await house.push(hint=BEFORE, client_seq=seq)
    assert (told.success, told.error_code) == (False, "RESPONSE_ALREADY_SENT")
    assert client.texts == ["200 "]


@pytest.mark.parametrize(("hint", "code"), [(BEFORE, "RESPONSE_ALREADY_SENT"), (AFTER, "")])
async def test_what_is_below_the_first_number_counts_as_answered(house: House, hint: SyncHint, code: str) -> None:
    client = house.started()
    client.call("hello", seq=50)
    await house.settle()
    assert (await house.push(hint=hint, client_seq=49)).error_code == code


@pytest.mark.parametrize("hint", [BEFORE, AFTER])
async def test_a_bound_notify_needs_its_request(house: House, hint: SyncHint) -> None:
    await house.online()
    told = await house.push(hint=hint, client_seq=0)
    assert (told.success, told.error_code) == (False, "BIND_SEQ_REQUIRED")


# Immediate


async def test_immediate_is_numbered_and_sent_now(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow")
    await house.settle()
    told = await house.push(content="now")
    assert (told.success, told.message) == (True, "sent")
    assert client.texts == ["now"]


async def test_detached_it_is_retained(house: House) -> None:
    client = await house.online()
    client.link.lose()
    told = await house.push(content="kept")
    assert (told.success, told.message) == (True, "retained")
    assert house.back(client, 1).texts == ["kept"]


async def test_a_full_window_refuses_and_keeps_what_is_there(make_house: Callable[..., Awaitable[House]]) -> None:
    house = await make_house(session={"window_messages": 4})
    client = await house.online()
    assert [(await house.push(content=str(n))).error_code for n in range(5)] == ["", "", "", "", "WINDOW_FULL"]
    assert client.texts == ["0", "1", "2", "3"]
    assert client.ended is None
    client.ack(2)
    assert (await house.push(content="5")).success
    assert client.texts[-1] == "5"
    assert client.numbers == [2, 3, 4, 5, 6]


async def test_a_full_window_refuses_a_late_after_notify_too(make_house: Callable[..., Awaitable[House]]) -> None:
    house = await make_house(session={"window_messages": 2})
    await house.online()
    await house.push()
    await house.push()
    assert (await house.push(hint=AFTER, client_seq=1)).error_code == "WINDOW_FULL"


# Targets


async def test_the_three_targets(house: House) -> None:
    house.upstream.answers["hello"] = UpstreamResponse(code=200, headers={"gid": "g7"})
    client = await house.online()
    for kind, target in (("session", client.session.id), ("openid", "alice"), ("gid", "g7")):
        assert (await house.push(target, content=kind, kind=kind)).success
    assert client.texts == ["session", "openid", "gid"]


async def test_a_gid_is_the_newest_session_that_got_it(house: House) -> None:
    house.upstream.answers["hello"] = UpstreamResponse(code=200, headers={"gid": "g7"})
    first, second = await house.online("alice"), await house.online("bob")
    await house.push("g7", content="to bob", kind="gid")
    second.stop()
    await house.push("g7", content="to alice", kind="gid")
    assert (first.texts, second.texts) == (["to alice"], ["to bob"])


@pytest.mark.parametrize("kind", ["session", "openid", "gid"])
@pytest.mark.parametrize("hint", [NOW, BEFORE, AFTER])
async def test_a_target_that_is_not_there(house: House, kind: str, hint: SyncHint) -> None:
    await house.online()
    for target in ("nobody", ""):
        told = await house.push(target, kind=kind, hint=hint, client_seq=1)
        assert (told.success, told.error_code) == (False, "TARGET_NOT_FOUND")


@pytest.mark.parametrize("kind", ["", "user", "OPENID"])
async def test_a_target_type_that_does_not_exist(house: House, kind: str) -> None:
    told = await house.push(kind=kind)
    assert (told.success, told.error_code) == (False, "BAD_TARGET")


async def test_a_hint_that_does_not_exist(house: House) -> None:
    await house.online()
    assert (await house.push(hint=9, client_seq=1)).error_code == "BAD_SYNC_HINT"


async def test_an_ended_session_is_no_target(house: House) -> None:
    client = await house.online()
    session_id = client.session.id
    client.stop()
    assert (await house.push(session_id, kind="session")).error_code == "TARGET_NOT_FOUND"


@pytest.mark.parametrize("hint", [NOW, BEFORE, AFTER])
async def test_a_notify_larger_than_a_frame_is_refused(house: House, hint: SyncHint) -> None:
    client = await house.online()
    told = await house.push(data=b"x" * (1 << 20), hint=hint, client_seq=9)
    assert (told.success, told.error_code) == (False, "MESSAGE_TOO_LARGE")
    assert not client.numbered


async def test_pushes_are_counted(house: House) -> None:
    await house.online()
    await house.push()
    await house.push("nobody")
    assert (house.count("pushes"), house.count("pushes_refused")) == (2, 1)


# Broadcasts


async def test_a_broadcast_reaches_every_session_that_is_logged_in(house: House) -> None:
    here, away = await house.online("here"), await house.online("away")
    started = house.started("started")
    gone = await house.online("gone")
    away.link.lose()
    gone.stop()
    told = await house.broadcast("to all", metadata={"k": "v"})
    assert told.sent_count == 2
    assert here.texts == ["to all"]
    assert here.numbered[0].headers["k"] == "v"
    assert house.back(away, 1).texts == ["to all"]
    started.call("hello")
    await house.settle()
    assert started.texts == ["200 "]  # and it was not cached for who was not logged in


async def test_a_broadcast_that_does_not_fit_is_an_overflow(make_house: Callable[..., Awaitable[House]]) -> None:
    house = await make_house(session={"window_messages": 2})
    full, roomy, away = await house.online("full"), await house.online("roomy"), await house.online("away")
    away.link.lose()
    for name in ("full", "full", "away", "away"):
        await house.push(name)
    assert (await house.broadcast()).sent_count == 1
    assert roomy.texts == ["b"]
    assert full.ended is CloseCode.SLOW_CONSUMER
    assert not full.session.attached
    assert full.session.outbox.overflowed
    assert away.session.outbox.overflowed
    assert (await house.broadcast()).sent_count == 1
    for client in (full, away):
        again = house.back(client, 1)
        assert again.answer.reset_reason == ResetReason.OVERFLOW
        assert {name: again.answer_headers[f"gap-{name}"] for name in ("from", "to", "notifies", "unnumbered")} == {
            "from": "2",
            "to": "3",
            "notifies": "4",  # two numbered, two broadcasts
            "unnumbered": "2",
        }


async def test_a_push_to_an_overflowed_session_is_refused_and_not_counted_as_missed(
    make_house: Callable[..., Awaitable[House]],
) -> None:
    house = await make_house(session={"window_messages": 1})
    client = await house.online()
    await house.push()
    await house.broadcast()
    for options in ({}, {"hint": AFTER, "client_seq": 1}, {"hint": BEFORE, "client_seq": 5}):
        told = await house.push(**options)  # type: ignore[arg-type]
        assert (told.success, told.error_code) == (False, "WINDOW_FULL")
    assert house.back(client, 1).answer_headers["gap-notifies"] == "2"


async def test_nothing_is_cached_for_a_session_that_can_only_be_reset(
    make_house: Callable[..., Awaitable[House]],
) -> None:
    """Success would be a lie: what is cached ends with the session."""
    house = await make_house(session={"window_messages": 1})
    client = house.started()
    client.call("echo")
    client.call("echo")
    assert client.session.outbox.overflowed
    assert (await house.push()).error_code == "WINDOW_FULL"


async def test_a_broadcast_too_large_is_refused(house: House) -> None:
    client = await house.online()
    told = await house.broadcast(data=b"x" * (1 << 20))
    assert told.sent_count == 0
    assert "refused" in told.message
    assert not client.numbered


async def test_broadcasts_come_to_all_in_the_same_order(house: House) -> None:
    clients = [await house.online(f"u{number}") for number in range(300)]
    await asyncio.gather(*(house.broadcast(f"b{number}") for number in range(3)))
    orders = {tuple(client.texts) for client in clients}
    assert len(orders) == 1
    assert sorted(orders.pop()) == ["b0", "b1", "b2"]


# A connection that is about to go


@pytest.mark.parametrize("hint", [SyncHint.IMMEDIATELY, SyncHint.AFTER_RESPONSE])
async def test_between_the_close_and_its_callback_a_push_is_retained(house: House, hint: SyncHint) -> None:
    """The transport has closed, its handler is told in the loop's next turn: nothing is sent any more."""
    client = await house.online()
    client.link.closed = True
    told = await house.push(content="late", hint=hint, client_seq=client.seq if hint else 0)
    assert (told.success, told.message) == (True, "retained")
    assert (client.session.cursor, client.session.handed, client.session.outbox.last_seq) == (1, 1, 2)
    client.link.lose()
    again = house.back(client, 1)
    assert again.answer.resumed
    assert again.texts == ["late"]
    assert client.session.handed == 2


async def test_a_bound_notify_that_is_due_at_once_is_retained_for_who_is_away(house: House) -> None:
    client = await house.online()
    client.link.lose()
    told = await house.push(content="after", hint=SyncHint.AFTER_RESPONSE, client_seq=client.seq)
    assert (told.success, told.message) == (True, "retained")


async def test_what_was_ever_handed_over_is_remembered(house: House) -> None:
    """Also when a later connection took less: what is above it, no client can have."""
    client = await house.online()
    await house.push(content="first")
    client.link.pending = 1 << 20
    await house.push(content="second")
    session = client.session
    assert (session.cursor, session.handed) == (2, 2)
    client.link.lose()
    again = house.connect()
    again.link.pending = 1 << 20
    again.start("alice", 1, client.answer.connection_id, client.answer.epoch)
    assert (session.cursor, session.handed, session.outbox.last_seq) == (1, 2, 3)
