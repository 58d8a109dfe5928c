"""The ordered step: what goes around a reply, which numbers are taken, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import (
    BindRefused,
    FrameTooLarge,
    NotInFlight,
    WindowFull,
)
from quicgw_fast.codes import BindCode

from .sent import Sent, body_of, notify, numbers, read, texts

if TYPE_CHECKING:
    from types import ModuleType

TOP = 2**64 - 1


def test_a_reply_is_one_message_with_the_requests_msg_id(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    assert outbox.accept(7) == 0
    frames = outbox.reply(7, 99, 3, 200, "ok", b"data", {"zone": "1"})
    assert read(frames) == [Sent(1, 99, 3, 200, "ok", b"data", {"zone": "1"})]
    assert (outbox.last_seq, outbox.retained, outbox.retained_bytes) == (1, 1, len(frames))


def test_notifies_go_around_the_reply_in_the_order_they_were_bound(engine: ModuleType) -> None:
    outbox = engine.Outbox(after=10)
    outbox.accept(1)
    outbox.accept(2)
    for client_seq, before, name in [(1, False, "c"), (1, True, "a"), (2, True, "x"), (1, False, "d"), (1, True, "b")]:
        assert outbox.bind(client_seq, before, notify(engine, name), 60.0) == b""
    assert outbox.bound == 5

    frames = outbox.reply(1, 5, 3, 200, "reply", b"", {})
    assert texts(frames) == ["a", "b", "reply", "c", "d"]
    assert numbers(frames) == [11, 12, 13, 14, 15]
    assert [message.msg_id for message in read(frames)] == [0, 0, 5, 0, 0]
    assert (outbox.bound, outbox.in_flight, outbox.retained) == (1, 1, 5)
    assert texts(outbox.reply(2, 6, 3, 200, "second", b"", {})) == ["x", "second"]


def test_large_numbers_are_encoded_whole(engine: ModuleType) -> None:
    outbox = engine.Outbox(after=2**63)
    outbox.accept(TOP)
    assert read(outbox.reply(TOP, 2**32 - 1, 3, -(2**31), "", b"", {})) == [Sent(2**63 + 1, 2**32 - 1, 3, -(2**31), "")]


def test_a_request_has_one_reply(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.accept(1)
    outbox.reply(1, 0, 3, 200, "", b"", {})
    for client_seq in (1, 2, 0):
        with pytest.raises(NotInFlight) as caught:
            outbox.reply(client_seq, 0, 3, 200, "", b"", {})
        assert caught.value.seq == client_seq
    assert outbox.last_seq == 1


def test_requests_may_be_answered_in_any_order(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    assert [outbox.accept(seq) for seq in (5, 6, 7, 7, 9)] == [0, 0, 0, 8, 8]
    assert (outbox.in_flight, outbox.max_client_seq) == (3, 7)
    frames = b"".join(outbox.reply(client_seq, client_seq, 3, 200, "", b"", {}) for client_seq in (6, 7, 5))
    assert [(message.seq, message.msg_id) for message in read(frames)] == [(1, 6), (2, 7), (3, 5)]
    assert [outbox.is_open(seq) for seq in (5, 6, 7, 8)] == [False] * 4


def test_a_too_long_reply_changes_nothing(engine: ModuleType) -> None:
    outbox = engine.Outbox(max_body=100)
    outbox.accept(1)
    outbox.bind(1, True, notify(engine, "before"), 60.0)
    with pytest.raises(FrameTooLarge) as caught:
        outbox.reply(1, 1, 3, 200, "", b"x" * 100, {})
    assert caught.value.limit == 100
    assert (outbox.last_seq, outbox.in_flight, outbox.bound, outbox.retained) == (0, 1, 1, 0)
    assert texts(outbox.reply(1, 1, 4, 500, "too large", b"", {})) == ["before", "too large"]


def test_a_wrong_argument_changes_nothing(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.accept(1)
    with pytest.raises(TypeError):
        outbox.reply(1, 1, 3, 200, "", b"", {"key": 5})
    with pytest.raises(UnicodeEncodeError):
        outbox.reply(1, 1, 3, 200, "\ud800", b"", {})
    assert (outbox.last_seq, outbox.in_flight) == (0, 1)


def test_no_step_begins_that_would_run_out_of_numbers(engine: ModuleType) -> None:
    outbox = engine.Outbox(after=TOP - 2)
    outbox.accept(1)
    outbox.hold(notify(engine, "held"))
    outbox.bind(1, True, notify(engine, "a"), 60.0)
    outbox.bind(1, False, notify(engine, "b"), 60.0)
    with pytest.raises(OverflowError):
        outbox.reply(1, 1, 3, 200, "", b"", {})
    assert (outbox.in_flight, outbox.bound, outbox.last_seq) == (1, 2, TOP - 2)

    assert numbers(outbox.release() + outbox.push(notify(engine, "last"))) == [TOP - 1, TOP]
    outbox.hold(notify(engine, "held"))
    for step in (outbox.release, lambda: outbox.push(b""), lambda: outbox.refuse(1, 400, "", "", {})):
        with pytest.raises(OverflowError):
            step()
    assert (outbox.held, outbox.last_seq, outbox.overflowed) == (1, TOP, False)


def test_a_refusal_is_a_numbered_error(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    frames = outbox.refuse(3, 400, "expected 8", "später", {"retry-after-ms": "50"})
    assert read(frames) == [Sent(1, 3, 4, 400, "expected 8", "später".encode(), {"retry-after-ms": "50"})]
    assert (outbox.in_flight, outbox.missed(0)) == (0, (1, 0))
    with pytest.raises(FrameTooLarge):
        engine.Outbox(max_body=50).refuse(3, 400, "x" * 40, "", {})


class TestBind:
    def test_a_request_that_was_not_seen_yet(self, engine: ModuleType) -> None:
        outbox = engine.Outbox()
        outbox.bind(1, True, notify(engine, "early"), 60.0)
        outbox.accept(1)
        assert texts(outbox.reply(1, 1, 3, 200, "reply", b"", {})) == ["early", "reply"]

    def test_after_the_answer_only_after_is_left(self, engine: ModuleType) -> None:
        outbox = engine.Outbox()
        outbox.accept(4)
        outbox.reply(4, 1, 3, 200, "", b"", {})
        # 3 was never in flight, but is not to come either: everything up to the highest one counts as answered.
        for client_seq in (4, 3):
            with pytest.raises(BindRefused) as caught:
                outbox.bind(client_seq, True, notify(engine, "late"), 60.0)
            assert caught.value.code == BindCode.RESPONSE_ALREADY_SENT
            assert texts(outbox.bind(client_seq, False, notify(engine, "after"), 60.0)) == ["after"]
        assert (outbox.last_seq, outbox.bound) == (3, 0)

    @pytest.mark.parametrize("before", [True, False])
    def test_it_needs_a_request(self, engine: ModuleType, before: bool) -> None:
        with pytest.raises(BindRefused) as caught:
            engine.Outbox().bind(0, before, b"", 60.0)
        assert caught.value.code == BindCode.SEQ_REQUIRED

    def test_it_is_bounded(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(bind_per_request=1, bind_total=2)
        outbox.bind(1, True, b"", 60.0)
        with pytest.raises(BindRefused) as caught:
            outbox.bind(1, False, b"", 60.0)
        assert caught.value.code == BindCode.LIMIT
        outbox.bind(2, False, b"", 60.0)
        with pytest.raises(BindRefused):
            outbox.bind(3, False, b"", 60.0)
        assert (outbox.bound, outbox.dropped) == (2, (0, 0))

    def test_a_bind_that_could_not_go_out_with_its_reply_is_refused(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(window_messages=3, window_bytes=100)
        outbox.bind(1, True, body_of(10), 60.0)
        outbox.bind(1, False, body_of(10), 60.0)
        for client_seq, size in [(1, 0), (2, 81), (2, 2**20)]:
            with pytest.raises((BindRefused, FrameTooLarge)) as caught:
                outbox.bind(client_seq, True, body_of(size), 60.0)
            assert getattr(caught.value, "code", BindCode.LIMIT) == BindCode.LIMIT
        outbox.bind(2, True, body_of(80), 60.0)
        assert (outbox.bound, outbox.memory) == (3, 100 + 3 * 96)
        outbox.accept(1)
        assert numbers(outbox.reply(1, 1, 3, 200, "", b"", {})) == [1, 2, 3]

    def test_a_window_of_one_has_no_place_for_a_bound_notify(self, engine: ModuleType) -> None:
        with pytest.raises(BindRefused) as caught:
            engine.Outbox(window_messages=1).bind(1, True, b"", 60.0)
        assert caught.value.code == BindCode.LIMIT

    def test_it_expires(self, engine: ModuleType) -> None:
        outbox = engine.Outbox()
        outbox.accept(1)
        outbox.bind(1, True, notify(engine, "early"), 1.0)
        outbox.bind(1, True, notify(engine, "late"), 2.0)
        assert (outbox.expire(1.5), outbox.bound) == (1, 1)
        assert texts(outbox.reply(1, 1, 3, 200, "reply", b"", {})) == ["late", "reply"]

    def test_one_that_is_sent_at_once_meets_the_plain_window(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(window_messages=1)
        outbox.accept(1)
        outbox.reply(1, 1, 3, 200, "", b"", {})
        with pytest.raises(WindowFull):
            outbox.bind(1, False, b"", 60.0)
        assert (outbox.last_seq, outbox.overflowed) == (1, False)

    def test_what_is_too_long_is_refused_before_it_is_kept(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(max_body=30)
        for call in (lambda body: outbox.bind(1, True, body, 60.0), outbox.push, outbox.hold):
            with pytest.raises(FrameTooLarge) as caught:
                call(bytes(9))
            assert (caught.value.length, caught.value.limit) == (31, 30)
            call(bytes(8))
        assert (outbox.bound, outbox.held, outbox.last_seq) == (1, 1, 1)
