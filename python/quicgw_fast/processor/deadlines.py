"""One timer for all tasks that wait: each is told of its deadline when it passes, not when somebody looks."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Generic

from quicgw_fast.processor.task import AsyncTask, S

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock, Timer

AT_ONCE = 64
"""Tasks that are told in one turn of the loop: a backlog that is late as a whole must not stop it."""
FORGOTTEN = 256
"""So many left tasks may stay in the heap, beside as many as still wait."""


class Deadlines(Generic[S]):
    """A heap of deadlines. A task that leaves is let go at once; only its number stays until its time."""

    def __init__(self, clock: Clock, late: Callable[[AsyncTask[S]], None]) -> None:
        """``late`` is called with each task that is still here when its deadline passes."""
        self._clock = clock
        self._late = late
        self._numbers = itertools.count(1)
        self._tasks: dict[int, AsyncTask[S]] = {}
        self._heap: list[tuple[float, int]] = []
        self._timer: Timer | None = None
        self._timer_at = 0.0

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: AsyncTask[S]) -> None:
        """Watch a task until ``discard``; it may be watched in one place only."""
        task.watch = next(self._numbers)
        self._tasks[task.watch] = task
        heapq.heappush(self._heap, (task.deadline, task.watch))
        if self._timer is None or task.deadline < self._timer_at:
            self._arm()

    def discard(self, task: AsyncTask[S]) -> None:
        """Watch the task no more, because it goes on or is answered."""
        if self._tasks.pop(task.watch, None) is None:
            return
        if len(self._heap) > 2 * len(self._tasks) + FORGOTTEN:
            self._heap = [entry for entry in self._heap if entry[1] in self._tasks]
            heapq.heapify(self._heap)

    def close(self) -> None:
        """Forget all tasks, and stop the timer."""
        self._tasks.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Have the timer go off at the earliest deadline; too early, for one that left, does no harm."""
        while self._heap and self._heap[0][1] not in self._tasks:
            heapq.heappop(self._heap)
        if not self._heap:
            return
        due = self._heap[0][0]
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._clock.call_later(max(due - self._clock.now(), 0.0), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._clock.now()
        try:
            for _ in range(AT_ONCE):
                if not self._heap or self._heap[0][0] > now:
                    return
                _, number = heapq.heappop(self._heap)
                task = self._tasks.pop(number, None)
                if task is not None:
                    self._late(task)
        finally:
            self._arm()
