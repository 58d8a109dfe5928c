from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend import FutureAck, NumbersUsedUp

if TYPE_CHECKING:
    from types import ModuleType

TOP = 2**64 - 1


def test_server_numbers_are_consecutive(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator()
    assert [numbers.next(), numbers.next(), numbers.next_many(3), numbers.next()] == [1, 2, 3, 6]
    assert numbers.last == 6


def test_numbers_go_on_where_an_old_client_was(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator(after=41)
    assert (numbers.last, numbers.acked, numbers.max_client_seq) == (41, 41, 0)
    assert numbers.next() == 42


def test_no_number_is_taken_when_none_is_left(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator(TOP - 2)
    with pytest.raises(OverflowError):
        numbers.next_many(3)
    assert numbers.next_many(2) == TOP - 1
    with pytest.raises(OverflowError):
        numbers.next()
    assert numbers.last == TOP


def test_taking_none_is_refused(engine: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least one"):
        engine.SequenceAllocator().next_many(0)


def test_the_first_client_number_may_be_any_but_zero(engine: ModuleType) -> None:
    assert engine.SequenceAllocator().accept(0) == 1
    for first in (1, 7, TOP):
        numbers = engine.SequenceAllocator()
        assert numbers.accept(first) == 0
        assert numbers.max_client_seq == first


def test_then_only_the_next_one_is_accepted(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator()
    numbers.accept(7)
    for refused in (0, 6, 7, 9, TOP):
        assert numbers.accept(refused) == 8
        assert numbers.max_client_seq == 7
    assert numbers.accept(8) == 0


def test_after_the_highest_client_number_nothing_is_accepted(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator()
    numbers.accept(TOP)
    for refused in (0, 1, TOP):
        with pytest.raises(NumbersUsedUp, match="used up"):
            numbers.accept(refused)
    assert numbers.max_client_seq == TOP


def test_acknowledgements_only_go_forward(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator()
    numbers.next_many(5)
    assert [numbers.ack(seq) for seq in (0, 3, 3, 2, 5)] == [False, True, False, False, True]
    assert numbers.acked == 5


def test_what_was_never_sent_cannot_be_acknowledged(engine: ModuleType) -> None:
    numbers = engine.SequenceAllocator(10)
    with pytest.raises(FutureAck) as caught:
        numbers.ack(11)
    assert (caught.value.seq, caught.value.highest, numbers.acked) == (11, 10, 10)
    assert "11" in str(caught.value)
