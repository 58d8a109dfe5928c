"""Bounds of what is not acknowledged: the window, its reserve, the shared budget, and what overflows."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import BudgetFull, CacheFull, NotInFlight, OutboxClosed, Overflowed, WindowFull

from .sent import body_of, notify, numbers, texts

if TYPE_CHECKING:
    from types import ModuleType

# A pushed body of n bytes is n + 6 bytes on the stream while numbers have one byte: length 4, tag 1, number 1.
FRAME = 6


def test_pushes_fill_the_plain_window(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=2)
    frames = outbox.push(notify(engine, "a")) + outbox.push(notify(engine, "b"))
    assert outbox.fill == 1.0
    with pytest.raises(WindowFull):
        outbox.push(notify(engine, "c"))
    assert (outbox.last_seq, outbox.retained, outbox.overflowed, outbox.dropped) == (2, 2, False, (0, 0))
    outbox.ack(1)
    assert numbers(frames + outbox.push(notify(engine, "c"))) == [1, 2, 3]


def test_the_window_counts_bytes_with_their_framing(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_bytes=100)
    outbox.push(bytes(50 - FRAME))
    assert (outbox.retained_bytes, outbox.fill) == (50, 0.5)
    with pytest.raises(WindowFull):
        outbox.push(bytes(51 - FRAME))
    outbox.push(bytes(50 - FRAME))
    assert outbox.retained_bytes == 100


def test_one_message_always_fits_an_empty_window(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_bytes=10)
    outbox.push(bytes(1000))
    assert outbox.fill == (1000 + FRAME) / 10
    with pytest.raises(WindowFull):
        outbox.push(b"")
    outbox.ack(1)
    outbox.refuse(1, 400, "x" * 100, "", {})
    with pytest.raises(Overflowed):
        outbox.refuse(1, 400, "", "", {})


def test_replies_may_use_a_quarter_more(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=8)
    for seq in range(1, 9):
        outbox.push(b"")
        outbox.accept(seq)
    with pytest.raises(WindowFull):
        outbox.push(b"")
    outbox.reply(1, 1, 3, 200, "", b"", {})
    outbox.refuse(1, 400, "", "", {})
    assert (outbox.retained, outbox.fill, outbox.overflowed) == (10, 1.25, False)
    with pytest.raises(Overflowed):
        outbox.reply(2, 1, 3, 200, "", b"", {})


def test_a_step_that_does_not_fit_as_a_whole_overflows(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=4)
    outbox.accept(1)
    outbox.accept(2)
    outbox.push(b"")
    outbox.push(b"")
    for before in (True, True, False):
        outbox.bind(1, before, b"", 60.0)
    with pytest.raises(Overflowed):
        outbox.reply(1, 1, 3, 200, "", b"", {})

    assert outbox.overflowed
    assert outbox.dropped == (1, 3)
    assert (outbox.last_seq, outbox.bound, outbox.is_open(1), outbox.in_flight) == (2, 0, False, 1)
    assert (outbox.retained, outbox.retained_bytes, outbox.fill) == (0, 0, 0.0)


@pytest.mark.parametrize("size", [100, 900])
def test_one_step_always_fits_an_empty_window(engine: ModuleType, size: int) -> None:
    """A reply and a notify that was answered "bound" before it are of any size each."""
    outbox = engine.Outbox(window_messages=3, window_bytes=1000)
    outbox.accept(1)
    outbox.bind(1, True, body_of(size), 60.0)
    outbox.bind(1, False, body_of(100), 60.0)
    frames = outbox.reply(1, 1, 3, 200, "", b"r" * 900, {})
    assert numbers(frames) == [1, 2, 3]
    assert outbox.missed(0) == (1, 2)


def test_after_an_overflow_nothing_is_sent_and_everything_is_counted(engine: ModuleType) -> None:
    outbox = engine.Outbox(max_body=100)
    for seq in (1, 2):
        outbox.accept(seq)
    outbox.reply(1, 1, 3, 200, "", b"", {})
    outbox.push(b"")
    outbox.hold(b"abc")
    outbox.bind(2, True, b"abc", 60.0)
    outbox.mark_overflow(notifies=1)
    assert outbox.dropped == (0, 3)
    assert (outbox.bound, outbox.held, outbox.memory) == (0, 0, 0)

    steps = [
        (lambda: outbox.push(b""), (0, 4)),
        (lambda: outbox.push(b"", kept=True), (0, 4)),
        (lambda: outbox.bind(1, False, b"", 60.0), (0, 5)),
        (lambda: outbox.refuse(1, 400, "", "", {}), (1, 5)),
        (lambda: outbox.reply(2, 2, 3, 200, "", b"", {}), (2, 5)),
        # Refused to its sender: it was never taken, and is not missed.
        (lambda: outbox.bind(3, True, b"", 60.0), (2, 5)),
        (lambda: outbox.hold(b""), (2, 5)),
        (outbox.release, (2, 5)),
    ]
    for step, dropped in steps:
        with pytest.raises(Overflowed):
            step()
        assert outbox.dropped == dropped
    with pytest.raises(NotInFlight):
        outbox.reply(2, 2, 3, 200, "", b"", {})

    assert outbox.accept(3) == 0
    assert (outbox.last_seq, outbox.missed(0), outbox.replay(0, 1000)) == (2, (1, 1), (b"", 0))
    assert outbox.ack(1) == 0
    assert (outbox.acked_seq, outbox.missed(0)) == (1, (0, 1))


class TestHold:
    def test_what_is_held_goes_out_in_order(self, engine: ModuleType) -> None:
        outbox = engine.Outbox()
        for name in "abc":
            outbox.hold(notify(engine, name))
        assert (outbox.held, outbox.last_seq) == (3, 0)
        frames = outbox.release()
        assert (texts(frames), numbers(frames)) == (["a", "b", "c"], [1, 2, 3])
        assert (outbox.held, outbox.retained, outbox.missed(0)) == (0, 3, (0, 3))
        assert outbox.release() == b""

    def test_it_is_bounded(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(hold_messages=2, hold_bytes=10)
        outbox.hold(bytes(6))
        with pytest.raises(CacheFull):
            outbox.hold(bytes(5))
        outbox.hold(bytes(4))
        with pytest.raises(CacheFull):
            outbox.hold(b"")
        assert outbox.held == 2
        outbox.release()
        outbox.hold(bytes(10))

    @pytest.mark.parametrize("bounds", [{"window_messages": 2}, {"window_bytes": 10}])
    def test_what_could_never_be_sent_is_not_held(self, engine: ModuleType, bounds: dict[str, int]) -> None:
        outbox = engine.Outbox(**bounds)
        for _ in range(2):
            outbox.hold(bytes(5))
        with pytest.raises(CacheFull):
            outbox.hold(bytes(5))
        assert outbox.held == 2

    def test_what_does_not_fit_now_stays_and_nothing_overtakes_it(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(window_messages=4)
        for _ in range(3):
            outbox.push(b"")
        for name in "abcd":
            outbox.hold(notify(engine, name))
        outbox.accept(1)
        outbox.reply(1, 1, 3, 200, "", b"", {})
        assert not outbox.releasing
        assert texts(outbox.release()) == ["a"]  # the reserve too
        assert outbox.release() == b""
        assert (outbox.held, outbox.releasing, outbox.overflowed) == (3, True, False)
        outbox.ack(5)
        for late in (lambda: outbox.push(b""), lambda: outbox.bind(1, False, b"", 60.0)):
            with pytest.raises(WindowFull):
                late()
        outbox.hold(notify(engine, "e"))
        assert texts(outbox.release()) == ["b", "c", "d", "e"]
        assert (outbox.held, outbox.releasing, outbox.last_seq) == (0, False, 9)
        outbox.ack(9)
        outbox.push(b"")

    def test_one_always_fits_an_empty_window(self, engine: ModuleType) -> None:
        outbox = engine.Outbox(window_bytes=10)
        for _ in range(2):
            outbox.hold(body_of(5))
        assert numbers(outbox.release()) == [1]
        outbox.ack(1)
        assert numbers(outbox.release()) == [2]


def room(messages: int, size: int) -> int:
    """What so many messages of size bytes together count in the memory that all share."""
    return size + 96 * messages


class TestBudget:
    def test_each_message_counts_with_what_it_takes_beside_its_bytes(self, engine: ModuleType) -> None:
        """Else a million of empty ones would count as nothing; the session's own window counts the bytes alone."""
        budget = engine.ByteBudget(room(3, 6))
        outbox = engine.Outbox(budget=budget)
        outbox.push(b"")
        outbox.hold(b"")
        outbox.bind(1, True, b"", 60.0)
        assert (budget.used, outbox.memory) == (room(3, 6), room(3, 6))
        assert (outbox.retained_bytes, outbox.fill) == (6, 1 / 1024)
        for more in (lambda: outbox.push(b""), lambda: outbox.hold(b""), lambda: outbox.bind(1, True, b"", 60.0)):
            with pytest.raises(BudgetFull):
                more()
        outbox.expire(60.0)
        assert budget.used == room(2, 6)
        outbox.release()
        assert budget.used == room(2, 12)
        outbox.ack(1)
        assert budget.used == room(1, 6)

    def test_it_is_shared(self, engine: ModuleType) -> None:
        limit = room(3, 100)
        budget = engine.ByteBudget(limit)
        one, two = engine.Outbox(budget=budget), engine.Outbox(budget=budget)
        for outbox in (one, two):
            outbox.push(bytes(10 - FRAME))
        one.push(bytes(80 - FRAME))
        assert (budget.used, budget.limit, one.memory, two.memory) == (limit, limit, room(2, 90), room(1, 10))
        with pytest.raises(BudgetFull, match="no room for 102 bytes more") as caught:
            two.push(b"")
        assert caught.value.needed == room(1, FRAME)
        one.ack(2)
        assert budget.used == room(1, 10)
        two.push(b"")

    def test_no_message_is_excepted_from_it(self, engine: ModuleType) -> None:
        """That one always fits is for a session's window, never for the memory of the process."""
        budget = engine.ByteBudget(room(2, 100))
        outbox = engine.Outbox(budget=budget)
        outbox.accept(1)
        outbox.bind(1, True, bytes(20), 60.0)
        for call in (
            lambda: outbox.push(bytes(101 - 20 - FRAME)),
            lambda: outbox.bind(2, True, bytes(81), 60.0),
            lambda: outbox.hold(bytes(81)),
            lambda: outbox.refuse(1, 400, "x" * 170, "", {}),
            lambda: outbox.reply(1, 1, 3, 200, "", bytes(160), {}),
        ):
            with pytest.raises(BudgetFull):
                call()
            assert (outbox.memory, outbox.last_seq, outbox.bound) == (room(1, 20), 0, 1)
            assert budget.used == outbox.memory
            assert (outbox.in_flight, outbox.overflowed, outbox.dropped) == (1, False, (0, 0))
        outbox.reply(1, 1, 3, 200, "", bytes(110), {})
        assert outbox.retained == 2
        assert outbox.memory == budget.used == room(2, outbox.retained_bytes)

    def test_replies_may_use_a_quarter_more_of_it(self, engine: ModuleType) -> None:
        budget = engine.ByteBudget(room(4, 100))
        outbox = engine.Outbox(budget=budget)
        outbox.push(bytes(50 - FRAME))
        outbox.push(bytes(38 - FRAME))
        outbox.hold(bytes(6))
        outbox.hold(bytes(6))
        with pytest.raises(BudgetFull):
            outbox.push(b"")
        assert (len(outbox.release()), budget.used) == (24, room(4, 112))
        outbox.refuse(0, 0, "", "", {})  # 8 bytes, of the quarter of 121
        assert budget.used == room(5, 120)
        with pytest.raises(BudgetFull):
            outbox.refuse(0, 0, "", "", {})

    def test_what_is_held_stays_when_it_is_full(self, engine: ModuleType) -> None:
        budget = engine.ByteBudget(800)
        one, two = engine.Outbox(budget=budget), engine.Outbox(budget=budget)
        two.hold(body_of(3))
        two.hold(body_of(3))
        one.push(bytes(800 - room(2, 6) - room(1, FRAME)))
        one.refuse(0, 0, "", "x" * (200 - room(1, 12)), {})  # its frame has 12 bytes more
        assert numbers(two.release()) == []
        assert (two.held, two.releasing, two.retained, budget.used) == (2, True, 0, 1000)
        one.ack(2)
        assert numbers(two.release()) == [1, 2]
        assert (two.held, two.releasing, budget.used) == (0, False, room(2, 18))

    def test_what_waits_counts_and_is_given_back(self, engine: ModuleType) -> None:
        budget = engine.ByteBudget(room(9, 100))
        outbox = engine.Outbox(budget=budget)
        outbox.bind(1, True, bytes(10), 1.0)
        outbox.bind(1, False, bytes(20), 2.0)
        outbox.hold(bytes(30))
        assert outbox.memory == budget.used == room(3, 60)
        outbox.expire(1.0)
        assert budget.used == room(2, 50)
        outbox.release()
        outbox.accept(1)
        outbox.reply(1, 0, 3, 200, "", b"", {})
        assert budget.used == outbox.memory == room(3, outbox.retained_bytes)
        outbox.ack(3)
        assert (budget.used, outbox.memory) == (0, 0)

    def test_nothing_to_release_needs_no_room(self, engine: ModuleType) -> None:
        budget = engine.ByteBudget(room(1, 10))
        outbox = engine.Outbox(budget=budget)
        outbox.push(bytes(4))
        assert budget.used == budget.limit
        assert outbox.release() == b""

    @pytest.mark.parametrize("ending", ["close", "mark_overflow", "forget"])
    def test_it_is_given_back(self, engine: ModuleType, ending: str) -> None:
        budget = engine.ByteBudget(room(3, 100))
        outbox = engine.Outbox(budget=budget)
        outbox.push(b"abc")
        outbox.hold(b"ab")
        outbox.bind(1, True, b"a", 60.0)
        assert budget.used == room(3, 12)
        if ending != "forget":
            getattr(outbox, ending)()
            assert budget.used == 0
        del outbox
        gc.collect()
        assert budget.used == 0


def test_after_close_only_the_past_can_be_read(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.accept(1)
    outbox.accept(2)
    outbox.reply(1, 1, 3, 200, "", b"", {})
    outbox.push(b"")
    outbox.bind(2, True, b"", 60.0)
    outbox.hold(b"")
    outbox.close()
    outbox.close()

    for call in (
        lambda: outbox.accept(3),
        lambda: outbox.reply(2, 1, 3, 200, "", b"", {}),
        lambda: outbox.refuse(1, 400, "", "", {}),
        lambda: outbox.push(b""),
        lambda: outbox.bind(0, True, b"", 60.0),
        lambda: outbox.hold(b""),
        outbox.release,
    ):
        with pytest.raises(OutboxClosed):
            call()
    assert outbox.closed
    assert not outbox.overflowed
    assert (outbox.in_flight, outbox.bound, outbox.held, outbox.retained) == (0, 0, 0, 0)
    assert (outbox.last_seq, outbox.max_client_seq, outbox.missed(0), outbox.dropped) == (2, 2, (1, 1), (0, 0))
    assert (outbox.expire(99.0), outbox.ack(1), outbox.missed(0), outbox.replay(0, 9)) == (0, 0, (0, 1), (b"", 1))


@pytest.mark.parametrize("size", ["window_messages", "window_bytes"])
def test_a_window_needs_room(engine: ModuleType, size: str) -> None:
    with pytest.raises(ValueError, match="at least one message and one byte"):
        engine.Outbox(**{size: 0})
