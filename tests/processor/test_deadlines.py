"""One timer for all that waits."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.processor import AsyncTask, Deadlines
from quicgw_fast.processor.deadlines import AT_ONCE, FORGOTTEN
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from tests.processor.bench import Session
from tests.support.clock import Clock, Timer


class Watch:
    """Deadlines that write down what is late."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers = 0
        self.late: list[AsyncTask] = []
        self.deadlines = Deadlines(self, self.late.append)

    def call_later(self, delay: float, callback: object) -> Timer:
        self.timers += 1
        return self.clock.call_later(delay, callback)  # type: ignore[arg-type]

    def now(self) -> float:
        return self.clock.now

    def wall(self) -> float:
        return self.clock.wall

    def add(self, within: float) -> AsyncTask:
        task = AsyncTask(Session(), 1, UpstreamRequest(), self.clock.now, self.clock.now + within)
        self.deadlines.add(task)
        return task


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.floats(0.0, 20.0)),
            st.tuples(st.just("leave"), st.integers(0, 50)),
            st.tuples(st.just("pass"), st.floats(0.0, 10.0)),
        ),
        max_size=60,
    )
)
def test_each_is_told_once_at_its_time_unless_it_left(steps: list[tuple[str, float]]) -> None:
    watch = Watch()
    there: list[AsyncTask] = []
    for step, amount in steps:
        if step == "add":
            there.append(watch.add(amount))
        elif step == "leave" and int(amount) < len(there):
            watch.deadlines.discard(there.pop(int(amount)))
        elif step == "pass":
            watch.clock.advance(amount)
            due = sorted(
                (task for task in there if task.deadline <= watch.clock.now), key=lambda t: (t.deadline, t.watch)
            )
            assert watch.late == due
            there = [task for task in there if task not in due]
            watch.late.clear()
        assert len(watch.deadlines) == len(there)


def test_one_timer_serves_many() -> None:
    watch = Watch()
    tasks = [watch.add(10.0 + number / 1000) for number in range(1000)]
    assert watch.timers == 1
    for task in tasks:
        watch.deadlines.discard(task)
    watch.add(20.0)
    assert watch.timers == 1, "the one that is set goes off early, which does no harm"
    watch.add(1.0)
    assert watch.timers == 2
    watch.clock.advance(1.0)
    assert len(watch.late) == 1


def test_what_left_takes_no_memory() -> None:
    watch = Watch()
    first = watch.add(30.0)
    gone = weakref.ref(first.session)
    watch.deadlines.discard(first)
    del first
    gc.collect()
    assert gone() is None
    for _ in range(20_000):
        watch.deadlines.discard(watch.add(30.0))
    assert len(watch.deadlines._heap) <= FORGOTTEN + 1


def test_many_at_once_are_told_in_portions() -> None:
    watch = Watch()
    for _ in range(3 * AT_ONCE):
        watch.add(1.0)
    watch.clock.now += 1.0
    fire = watch.deadlines._fire
    fire()
    assert len(watch.late) == AT_ONCE
    watch.clock.advance(0.0)
    assert len(watch.late) == 3 * AT_ONCE


def test_a_bug_in_telling_costs_the_others_nothing() -> None:
    watch = Watch()

    def fail(task: AsyncTask) -> None:
        watch.late.append(task)
        raise ZeroDivisionError

    watch.deadlines = Deadlines(watch.clock.face, fail)
    watch.add(1.0)
    watch.add(2.0)
    with pytest.raises(ZeroDivisionError):
        watch.clock.advance(1.0)
    with pytest.raises(ZeroDivisionError):
        watch.clock.advance(1.0)
    assert len(watch.late) == 2


def test_after_the_close_nothing_comes() -> None:
    watch = Watch()
    watch.add(1.0)
    watch.deadlines.close()
    watch.clock.advance(5.0)
    assert watch.late == []
    assert len(watch.deadlines) == 0
