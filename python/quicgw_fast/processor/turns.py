"""Whose turn it is: workers go round the sessions, and the last free one is kept for a session that has none.

A session with something waiting stands in a ring. Whoever is at its head gets the next free worker for its oldest
task and goes to the end, if more of it waits. There is one exception: the last free worker goes to the first session
of the ring *that has nothing running*, and stays free when there is none. So

- the tasks of one session start in the order they came,
- a session waits for at most one task of each other session that waits,
- with two workers or more, no session ever holds all of them: another one's first request starts at once
  (protocol §3). The price is that a session alone uses all workers but one.

With one worker nothing runs when it is free, and the exception never holds: what remains is taking turns.

``Turns`` keeps account of the tasks and starts nothing. After each ``add`` and each ``end`` its owner takes ``next``
until it gives None; then a task waits only because it may not start, and ``may_start`` tells it of a new one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic

from quicgw_fast.processor.task import AsyncTask, S


class _Lane(Generic[S]):
    """One session's tasks; there is one while it has any."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[AsyncTask[S]] = deque()


class Turns(Generic[S]):
    """The tasks that wait and how many run, by session. Nothing costs more than the workers are many."""

    def __init__(self, workers: int) -> None:
        self.free = workers
        """Workers without a task."""
        self.waiting = 0
        """Tasks without a worker."""
        self._lanes: dict[S, _Lane[S]] = {}
        self._ring: OrderedDict[_Lane[S], None] = OrderedDict()
        self._starving = 0
        """How many lanes of the ring have nothing running."""

    def may_start(self, session: S) -> bool:
        """Whether a task of the session would get a worker at once."""
        return self.free > 1 or (self.free == 1 and not self.running(session))

    def running(self, session: S) -> int:
        """How many workers the session has."""
        lane = self._lanes.get(session)
        return lane.running if lane is not None else 0

    def waits(self, session: S) -> bool:
        """Whether the session has a task without a worker."""
        lane = self._lanes.get(session)
        return lane is not None and bool(lane.waiting)

    def add(self, task: AsyncTask[S]) -> None:
        """Have the task wait behind those of its session."""
        lane = self._lanes.get(task.session)
        if lane is None:
            lane = self._lanes[task.session] = _Lane()
        if not lane.waiting:
            self._ring[lane] = None
            self._starving += not lane.running
        lane.waiting.append(task)
        self.waiting += 1

    def next(self) -> AsyncTask[S] | None:
        """Give a free worker to the task whose turn it is; None when there is no task that may start."""
        lane = self._head()
        if lane is None:
            return None
        self._starving -= not lane.running
        task = lane.waiting.popleft()
        lane.running += 1
        self.free -= 1
        self.waiting -= 1
        if lane.waiting:
            self._ring.move_to_end(lane)
        else:
            del self._ring[lane]
        return task

    def end(self, session: S) -> None:
        """Take a worker back from the session."""
        lane = self._lanes[session]
        lane.running -= 1
        self.free += 1
        if not lane.running:
            if lane.waiting:
                self._starving += 1
            else:
                del self._lanes[session]

    def of(self, session: S) -> list[AsyncTask[S]]:
        """The tasks of a session that wait, in their order."""
        lane = self._lanes.get(session)
        return [] if lane is None else list(lane.waiting)

    def remove(self, task: AsyncTask[S]) -> None:
        """Forget a task that waits."""
        lane = self._lanes[task.session]
        lane.waiting.remove(task)
        self.waiting -= 1
        if not lane.waiting:
            self._leave_ring(task.session, lane)

    def drop(self, session: S) -> list[AsyncTask[S]]:
        """Forget the tasks of a session that wait, and return them; those that run have their workers until ``end``."""
        lane = self._lanes.get(session)
        if lane is None or not lane.waiting:
            return []
        dropped = list(lane.waiting)
        lane.waiting.clear()
        self.waiting -= len(dropped)
        self._leave_ring(session, lane)
        return dropped

    def drop_all(self) -> list[AsyncTask[S]]:
        """Forget all tasks that wait, and return them, each session's in their order."""
        return [task for session in list(self._lanes) for task in self.drop(session)]

    def _head(self) -> _Lane[S] | None:
        if self.free > 1:
            return next(iter(self._ring), None)
        if self.free == 1 and self._starving:
            # At most as many stand before it as there are workers: each of them has one.
            return next(lane for lane in self._ring if not lane.running)
        return None

    def _leave_ring(self, session: S, lane: _Lane[S]) -> None:
        del self._ring[lane]
        if not lane.running:
            self._starving -= 1
            del self._lanes[session]
