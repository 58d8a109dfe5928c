"""Whose turn it is (protocol §3): the rule in examples, and against a model that looks at everything each time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quicgw_fast.processor import AsyncTask
from quicgw_fast.processor.turns import Turns
from quicgw_fast.proto.service_pb2 import UpstreamRequest


def task(session: str) -> AsyncTask:
    return AsyncTask(session, 1, UpstreamRequest(), 0.0, 0.0)


def started(turns: Turns) -> list[str]:
    """The sessions of everything that may start now."""
    return [found.session for found in iter(turns.next, None)]


def add(turns: Turns, sessions: str) -> list[str]:
    for session in sessions:
        turns.add(task(session))
    return started(turns)


def test_the_last_free_worker_goes_to_a_session_that_has_none() -> None:
    turns = Turns(4)
    assert add(turns, "aaaaaa") == ["a", "a", "a"]
    assert not turns.may_start("a")
    assert turns.may_start("b")
    assert add(turns, "b") == ["b"]
    assert not turns.may_start("c")


def test_sessions_take_turns() -> None:
    turns = Turns(1)
    assert add(turns, "aaabbc") == ["a"]
    order = []
    running = "a"
    while True:
        turns.end(running)
        now = started(turns)
        if not now:
            break
        (running,) = now
        order.append(running)
    assert order == ["b", "c", "a", "b", "a"]


def test_who_has_nothing_running_passes_those_who_do_when_one_worker_is_left() -> None:
    turns = Turns(2)
    assert add(turns, "aaa") == ["a"]
    assert add(turns, "b") == ["b"]
    assert add(turns, "bc") == []
    turns.end("b")
    assert started(turns) == ["b"]


def test_one_end_may_let_two_start() -> None:
    turns = Turns(4)
    assert add(turns, "abb") == ["a", "b", "b"]
    assert add(turns, "ba") == []
    turns.end("a")
    assert started(turns) == ["b", "a"]


def test_with_one_worker_there_is_no_exception() -> None:
    turns = Turns(1)
    assert add(turns, "aa") == ["a"]
    turns.end("a")
    assert started(turns) == ["a"]


def test_a_lane_leaves_nothing_behind() -> None:
    turns = Turns(2)
    for _ in range(3):
        waiting = [task("a") for _ in range(5)]
        for one in waiting:
            turns.add(one)
        assert turns.next() is waiting[0]
        turns.remove(waiting[2])
        assert turns.drop("a") == [waiting[1], *waiting[3:]]
        assert turns.drop("a") == []
        turns.end("a")
        assert (turns.free, turns.waiting, turns.running("a")) == (2, 0, 0)
        assert not turns._lanes
        assert not turns._ring


@pytest.mark.parametrize("session", ["a", "b"])
def test_what_is_unknown_is_a_bug(session: str) -> None:
    turns = Turns(2)
    turns.add(task("a"))
    with pytest.raises((KeyError, ValueError)):
        turns.remove(task(session))


@dataclass
class Model:
    """The same rule, without an account: every question is answered by looking at all tasks."""

    workers: int
    waiting: list[AsyncTask] = field(default_factory=list)
    running: list[AsyncTask] = field(default_factory=list)
    ring: deque[str] = field(default_factory=deque)

    def next(self) -> AsyncTask | None:
        free = self.workers - len(self.running)
        busy = {found.session for found in self.running}
        for session in self.ring:
            if free > 1 or (free == 1 and session not in busy):
                chosen = next(found for found in self.waiting if found.session == session)
                self.waiting.remove(chosen)
                self.running.append(chosen)
                self.ring.remove(session)
                self.tidy(session)
                return chosen
        return None

    def tidy(self, session: str) -> None:
        """Have the session in the ring exactly when something of it waits."""
        waits = any(found.session == session for found in self.waiting)
        if waits and session not in self.ring:
            self.ring.append(session)
        elif not waits and session in self.ring:
            self.ring.remove(session)


class Compared(RuleBasedStateMachine):
    """Random histories; the account and the model never differ, and the promises of the protocol hold."""

    @initialize(workers=st.integers(1, 6))
    def begin(self, workers: int) -> None:
        self.workers = workers
        self.turns = Turns(workers)
        self.model = Model(workers)
        self.settled = True

    def settle(self) -> None:
        while True:
            got, wanted = self.turns.next(), self.model.next()
            assert got is wanted
            if got is None:
                return

    @rule(session=st.sampled_from("abcdef"))
    def add(self, session: str) -> None:
        one = task(session)
        may = self.turns.may_start(session)
        self.turns.add(one)
        self.model.waiting.append(one)
        self.model.tidy(session)
        before = len(self.model.running)
        self.settle()
        assert may == (one in self.model.running)
        assert len(self.model.running) - before == may

    @precondition(lambda self: self.model.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        done = data.draw(st.sampled_from(self.model.running))
        self.model.running.remove(done)
        self.turns.end(done.session)
        self.settle()

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.model.waiting))
        self.model.waiting.remove(gone)
        self.model.tidy(gone.session)
        self.turns.remove(gone)
        self.settle()

    @rule(session=st.sampled_from("abcdef"))
    def drop(self, session: str) -> None:
        gone = [found for found in self.model.waiting if found.session == session]
        self.model.waiting = [found for found in self.model.waiting if found.session != session]
        self.model.tidy(session)
        assert self.turns.drop(session) == gone
        self.settle()

    @invariant()
    def books_are_right(self) -> None:
        assert self.turns.waiting == len(self.model.waiting)
        assert self.turns.free == self.workers - len(self.model.running)
        for session in "abcdef":
            held = sum(found.session == session for found in self.model.running)
            assert self.turns.running(session) == held
            assert held < self.workers or self.workers == 1, "one session has all workers"

    @invariant()
    def no_session_waits_without_a_worker_while_one_is_free(self) -> None:
        busy = {found.session for found in self.model.running}
        if self.turns.free:
            assert all(found.session in busy for found in self.model.waiting)


Compared.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCompared = Compared.TestCase
