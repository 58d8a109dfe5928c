"""Notifies with a ticket: what becomes of those that wait is told, and they can be withdrawn and replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.backend import BudgetFull, CacheFull
from quicgw_fast.backend.python.budget import cost

if TYPE_CHECKING:
    from types import ModuleType


def answered(outbox: Any, seq: int) -> None:
    outbox.reply(seq, 1, 3, 200, "", b"", {})


def test_what_is_held_tells_its_number(engine: ModuleType) -> None:
    outbox = engine.Outbox(after=10)
    for ticket in (7, 0, 8):
        outbox.hold(b"n", ticket)
    assert outbox.fates() == []
    outbox.release()
    assert outbox.fates() == [(7, 11), (8, 13)]
    assert outbox.fates() == []


def test_what_is_left_behind_has_no_fate_yet(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=1)
    outbox.push(b"")
    outbox.hold(b"n", 7)
    outbox.release()
    assert outbox.releasing
    assert outbox.fates() == []
    outbox.ack(1)
    outbox.release()
    assert outbox.fates() == [(7, 2)]


def test_what_is_bound_tells_its_number(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.accept(5)
    for ticket, before in ((1, True), (2, False), (0, True), (3, True)):
        outbox.bind(5, before, b"n", 60.0, ticket)
    answered(outbox, 5)
    # Before: 1, 0, 3; the reply is number 4.
    assert outbox.fates() == [(1, 1), (3, 3), (2, 5)]


def test_a_bind_whose_time_passes_took_no_number(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    for ticket in (9, 3):
        outbox.bind(ticket, True, b"n", 1.0, ticket)
    outbox.bind(4, True, b"n", 2.0, 4)
    assert outbox.expire(1.0) == 2
    assert outbox.fates() == [(3, 0), (9, 0)]


@pytest.mark.parametrize("bound", [False, True])
def test_one_that_waits_can_be_withdrawn(engine: ModuleType, bound: bool) -> None:
    budget = engine.ByteBudget(1 << 20)
    outbox = engine.Outbox(budget=budget)
    for ticket in (1, 2, 3):
        if bound:
            outbox.bind(1, True, bytes(ticket), 60.0, ticket)
        else:
            outbox.hold(bytes(ticket), ticket)
    assert outbox.withdraw(2)
    assert not outbox.withdraw(2)
    assert not outbox.withdraw(0)
    assert (outbox.held + outbox.bound, outbox.memory, budget.used) == (2, cost(2, 4), cost(2, 4))
    assert outbox.tally[3:6] == (3, 0, 1)
    assert outbox.fates() == []
    outbox.accept(1)
    answered(outbox, 1)
    outbox.release()
    assert [ticket for ticket, _ in outbox.fates()] == [1, 3]


def test_nothing_is_releasing_any_more_when_the_last_one_is_withdrawn(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=1)
    outbox.push(b"")
    outbox.hold(b"n", 7)
    outbox.release()
    assert outbox.releasing
    outbox.withdraw(7)
    assert not outbox.releasing
    outbox.ack(1)
    outbox.push(b"")


def test_a_newer_one_takes_the_place_of_an_older_one(engine: ModuleType) -> None:
    outbox = engine.Outbox(hold_messages=2, hold_bytes=10)
    outbox.hold(bytes(4), 1)
    outbox.hold(b"b", 2)
    with pytest.raises(CacheFull):
        outbox.hold(bytes(1), 3)
    with pytest.raises(CacheFull):
        outbox.hold(bytes(10), 3, 1)
    assert outbox.unsent_names(0) == [(0, 1), (0, 2)]
    outbox.hold(bytes(9), 3, 1)
    assert outbox.unsent_names(0) == [(0, 2), (0, 3)]
    assert outbox.unsent(0) == [b"b", bytes(9)]
    assert outbox.tally[3:6] == (3, 0, 1)
    with pytest.raises(CacheFull):  # 1 is not here any more: it makes no room
        outbox.hold(b"", 4, 1)


def test_one_that_could_not_be_kept_leaves_the_older_one(engine: ModuleType) -> None:
    outbox = engine.Outbox(budget=engine.ByteBudget(cost(1, 4)))
    outbox.hold(bytes(4), 1)
    with pytest.raises(BudgetFull):
        outbox.hold(bytes(4), 2, 1)
    assert outbox.unsent_names(0) == [(0, 1)]
    assert outbox.tally[3:6] == (1, 0, 0)


def test_the_names_of_what_was_not_sent(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.push(b"a")
    outbox.push(b"kept", True)
    engine.push_to_all([outbox], b"c")
    outbox.hold(b"d", 9)
    outbox.hold(b"e")
    assert outbox.unsent_names(0) == [(1, 0), (3, 0), (0, 9), (0, 0)]
    assert outbox.unsent_names(1) == [(3, 0), (0, 9), (0, 0)]
    assert len(outbox.unsent(1)) == 3


@pytest.mark.parametrize("end", ["close", "mark_overflow"])
def test_nothing_is_told_of_what_goes_with_the_session(engine: ModuleType, end: str) -> None:
    outbox = engine.Outbox()
    outbox.hold(b"n", 1)
    outbox.bind(5, True, b"n", 60.0, 2)
    getattr(outbox, end)()
    assert outbox.fates() == []
    assert not outbox.withdraw(1)
