"""A fixed number of slots behind the bounded queue; submitting never waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RETRY_AFTER_MS, RequestError
from quicgw_fast.observe import Unit
from quicgw_fast.processor.deadlines import Deadlines
from quicgw_fast.processor.execute import too_late
from quicgw_fast.processor.places import Denial
from quicgw_fast.processor.task import AsyncTask, S
from quicgw_fast.processor.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend import TaskQueue
    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.observe import Metrics
    from quicgw_fast.processor.places import QueueWatch

TURN = 64
"""Tasks that begin in one turn of the loop: a backlog whose sessions are gone never waits by itself."""

R = TypeVar("R")
"""What the work on a task comes to."""

_log = logging.getLogger("quicgw.processor")


class _Slot(Generic[S, R]):
    """A worker: a place for one task at a time, which is empty again when the work on it has ended."""

    __slots__ = ("done", "given_up", "task", "work")

    def __init__(self, ended: Callable[[_Slot[S, R], R | Exception], None]) -> None:
        self.task: AsyncTask[S] | None = None
        self.work: Cancellable | None = None
        """There once the work has begun."""
        self.given_up = False
        """The task's session ended before that."""
        self.done: Done[R] = partial(ended, self)


class AsyncRequestProcessor(Generic[S, R]):
    """Takes accepted requests without blocking and answers each exactly once while its session lives.

    A task goes to a free worker at once, if the rule of ``Turns`` gives it one. Else it goes into the queue, from
    where it is put in its session's lane when a worker next becomes free. It waits, in either place, until its turn
    or its deadline comes or its session ends; ``queue_length`` counts both places, and the queue's capacity bounds
    them together. How many had better wait, a ``QueueWatch`` says: who submits asks ``denies`` first.

    A worker is no coroutine, but a slot that a task is in while its work is under way. What came to an end in one
    turn of the loop is replied to at once, and in the turn after it the slots that became free begin, all together:
    what is finished goes before what is new.
    """

    def __init__(
        self,
        queue: TaskQueue[AsyncTask[S]],
        max_workers: int,
        watch: QueueWatch,
        clock: Clock,
        metrics: Metrics,
        *,
        work: Callable[[AsyncTask[S], Done[R]], Cancellable],
        reply: Callable[[AsyncTask[S], R | RequestError], object],
        is_valid: Callable[[S, float], bool],
    ) -> None:
        """``work`` begins with a task, by calling its service; a RequestError, raised or told, is the outcome, too.

        ``reply`` makes it the terminal reply and sends that with the notifies bound to it, as one step. ``is_valid``
        tells of a session and a time whether it can still get a reply; its task is skipped and counted otherwise.
        """
        self._queue = queue
        self._watch = watch
        self._work = work
        self._reply = reply
        self._is_valid = is_valid
        self._clock = clock
        self._turns: Turns[S] = Turns(max_workers)
        self._deadlines = Deadlines(clock, self._late)
        self._slots: list[_Slot[S, R]] = [_Slot(self._ended) for _ in range(max_workers)]
        self._idle = self._slots[::-1]
        self._to_begin: deque[_Slot[S, R]] = deque()
        """Slots whose task is to begin in the next turn of the loop."""
        self._next_turn: asyncio.Handle | None = None
        self._started = False
        self.crowded = False
        """Whether not every task gets a place to wait in: an attribute, as it is looked at on the way of each."""
        self._watching = False
        """Something waited when the queue was last looked at, or does so since."""
        self._rested: asyncio.Event | None = None
        """Set, and forgotten, when the last task is done; there while somebody waits for that."""
        # Behind the prefix, the names of the first four are those of protocol §3.
        metrics.gauge("processor_max_workers", "Workers that there are", lambda: max_workers)
        metrics.gauge("processor_max_queue_size", "Tasks that may wait", lambda: queue.capacity)
        metrics.gauge("processor_queue_length", "Tasks that were accepted and did not start", lambda: self.queue_length)
        metrics.gauge("processor_queue_places", "From how many waiting tasks on some are refused", lambda: self.places)
        metrics.gauge("processor_started", "Whether tasks are taken", lambda: self._started, Unit.FLAG)
        metrics.gauge("processor_busy_workers", "Workers that have a task", lambda: self._busy)
        self._waited = metrics.duration("queue_wait", "From the acceptance of a request until a worker begins with it")
        self._count_submitted = metrics.counter("processor_submitted", "Tasks that were accepted")
        self._count_rejected = metrics.counter("processor_rejected", "Tasks that were not, for want of a place")
        self._count_completed = metrics.counter("processor_completed", "Tasks that were replied to")
        self._count_skipped = metrics.counter(
            "processor_skipped", "Tasks dropped before they started, because their session was gone"
        )
        self._count_cancelled = metrics.counter(
            "processor_cancelled", "Tasks dropped while their service worked on them, because their session was gone"
        )
        self._count_late = metrics.counter("processor_late", "Tasks that were answered 504 before they started")

    def start(self) -> None:
        """Take tasks from now on, in the running loop."""
        if self._started or self._queue.closed:
            raise RuntimeError("a processor is started once")
        self._loop = asyncio.get_running_loop()
        self._started = True

    def submit(self, task: AsyncTask[S]) -> bool:
        """Take a task without waiting; False when the queue is full or the processor does not run."""
        if not self._started:
            self._count_rejected.value += 1
            return False
        if self._turns.may_start(task.session):
            self._take_in()
            self._turns.add(task)
            self._count_submitted.value += 1
            self._dispatch()
            self._go_on()
            return True
        waiting = self.queue_length
        if waiting >= self._queue.capacity or not self._queue.try_push(task):
            self._count_rejected.value += 1
            return False
        self._watching = True
        self.crowded = waiting + 1 >= self._watch.crowd
        self._deadlines.add(task)
        self._count_submitted.value += 1
        return True

    def denies(self, session: S) -> Denial | None:
        """Whether the session had better submit no task now, and why; ``submit`` itself only keeps to the capacity."""
        if not self._started or (self._turns.free and self._turns.may_start(session)):
            return None
        waiting = self.queue_length
        if waiting >= self._queue.capacity:
            return Denial.FULL
        if waiting < self._watch.crowd:
            return None
        self._take_in()
        return Denial.DELAY if waiting >= self._watch.most or self._turns.waits(session) else None

    def turned_away(self, tasks: int) -> None:
        """Count tasks that were not submitted because of ``denies``."""
        self._count_rejected.value += tasks

    @property
    def submitted(self) -> int:
        """Tasks that were accepted since the start."""
        return self._count_submitted.value

    @property
    def rejected(self) -> int:
        """Tasks that were not, or were turned away."""
        return self._count_rejected.value

    @property
    def retry_after(self) -> float | None:
        """Seconds in which all that waits is worked off; None while that cannot be told."""
        return self._watch.retry_after(self.queue_length)

    @property
    def places(self) -> int:
        """From how many waiting tasks on ``denies`` some."""
        return self._watch.crowd

    def cancel(self, session: S) -> None:
        """End everything that is done for a session that ended: it gets no reply any more, and its workers are free."""
        self._take_in()
        for task in self._turns.drop(session):
            self._deadlines.discard(task)
            self._count_skipped.value += 1
        self._look()
        if not self._turns.running(session):
            return
        for slot in self._slots:
            if slot.task is not None and slot.task.session is session:
                if slot.work is None:
                    slot.given_up = True
                else:
                    slot.work.cancel()
                    self._count_cancelled.value += 1
                    self._leave(slot, slot.task)

    async def quiet(self, timeout: float) -> None:
        """Wait until nothing is waiting or under way, at most ``timeout`` seconds."""
        if not self._busy and not self.queue_length:
            return
        self._rested = self._rested or asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(timeout, 0.0)):
                await self._rested.wait()

    async def stop(self, drain_timeout: float) -> None:
        """Take no more tasks and work off the queue for at most ``drain_timeout`` seconds; then answer the rest.

        503 says that a service was never asked; a task whose service works on it is answered 500 (protocol §3).
        """
        was_started, self._started = self._started, False
        self._queue.close()
        if not was_started:
            return
        await self.quiet(drain_timeout)
        self._deadlines.close()
        self._take_in()
        broken_off, not_begun = self._empty_slots()
        for task in broken_off:
            self._finish(task, _broken_off())
        for task in not_begun + self._turns.drop_all():
            self._finish(task, _never_begun())
        if self._next_turn is not None:
            self._next_turn.cancel()

    @property
    def queue_length(self) -> int:
        """How many tasks were accepted and did not start."""
        return self._turns.waiting + len(self._queue)

    @property
    def _busy(self) -> int:
        return len(self._slots) - self._turns.free

    def _empty_slots(self) -> tuple[list[AsyncTask[S]], list[AsyncTask[S]]]:
        """Break off what is under way; return that, and what had a slot and did not begin, to be replied to."""
        broken_off, not_begun = [], []
        for slot in self._slots:
            if slot.task is not None:
                if slot.work is not None:
                    slot.work.cancel()
                    broken_off.append(slot.task)
                elif not slot.given_up:
                    not_begun.append(slot.task)
                self._leave(slot, slot.task)
        return broken_off, not_begun

    # Who is next

    def _take_in(self) -> None:
        """Put what arrived into the lanes of its sessions."""
        arrived = len(self._queue)
        if arrived:
            for task in self._queue.pop_many(arrived):
                self._turns.add(task)

    def _dispatch(self) -> None:
        """Give free slots to whose turn it is; they begin in the next turn of the loop."""
        while (task := self._turns.next()) is not None:
            self._deadlines.discard(task)
            slot = self._idle.pop()
            slot.task = task
            self._to_begin.append(slot)

    def _go_on(self) -> None:
        """Look in the next turn of the loop for what can begin."""
        if self._next_turn is None:
            self._next_turn = self._loop.call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._next_turn = None
        self._take_in()
        self._dispatch()
        begun = min(TURN, len(self._to_begin))
        for _ in range(begun):
            slot = self._to_begin.popleft()
            if slot.task is not None:  # it is not when the processor stopped
                self._begin(slot, slot.task)
        if self._to_begin:
            self._go_on()
        if self._watching:
            self._tell_watch(begun)
        if self._rested is not None:
            self._tell_rest()

    def _tell_watch(self, begun: int) -> None:
        """Have the bounds of the queue follow from how fast it becomes shorter."""
        waiting = self.queue_length
        self._watching = waiting > 0
        if waiting:
            self._watch.drained(begun, waiting, self._clock.now())
        else:
            self._watch.emptied()
        self._look()

    def _look(self) -> None:
        self.crowded = self.queue_length >= self._watch.crowd

    def _late(self, task: AsyncTask[S]) -> None:
        """Answer a task whose deadline passed while it waited."""
        self._take_in()
        self._turns.remove(task)
        self._look()
        self._count_late.value += 1
        self._finish(task, too_late(task))
        self._tell_rest()

    def _tell_rest(self) -> None:
        if self._rested is not None and not self._busy and not self.queue_length:
            self._rested.set()
            self._rested = None

    # A slot

    def _begin(self, slot: _Slot[S, R], task: AsyncTask[S]) -> None:
        try:
            now = self._clock.now()
            if slot.given_up or not self._is_valid(task.session, now):
                self._count_skipped.value += 1
                self._leave(slot, task)
                return
            self._waited.observe(now - task.accepted_at)
            slot.work = self._work(task, slot.done)
        except Exception as error:
            self._ended(slot, error)

    def _ended(self, slot: _Slot[S, R], outcome: R | Exception) -> None:
        """Reply with what the work on the slot's task came to."""
        task = slot.task
        assert task is not None  # work that was cancelled tells of no end
        self._leave(slot, task)
        if isinstance(outcome, Exception) and not isinstance(outcome, RequestError):
            told = {**task.ids, "action": task.request.action}
            _log.error("task failed", extra=told, exc_info=outcome)
            outcome = RequestError(ErrorCode.FAILED, "internal error")
        self._finish(task, outcome)

    def _leave(self, slot: _Slot[S, R], task: AsyncTask[S]) -> None:
        """Have the slot free for the next task."""
        slot.task, slot.work, slot.given_up = None, None, False
        self._idle.append(slot)
        self._turns.end(task.session)
        if self._turns.waiting or self._queue or self._rested is not None:
            self._go_on()

    def _finish(self, task: AsyncTask[S], outcome: R | RequestError) -> None:
        """Reply; a bug in there must cost neither the worker nor the tasks behind this one."""
        try:
            self._reply(task, outcome)
        except Exception:
            _log.exception("reply failed", extra=task.ids)
        else:
            self._count_completed.value += 1


def _never_begun() -> RequestError:
    return RequestError(ErrorCode.OVERLOADED, "gateway stopping", "the request was not passed on")


def _broken_off() -> RequestError:
    told = "the service did not answer in time; whether it did what was asked is not known"
    return RequestError(ErrorCode.FAILED, "gateway stopping", told, retry_after_ms=RETRY_AFTER_MS)
