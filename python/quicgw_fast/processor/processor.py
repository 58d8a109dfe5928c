"""A fixed number of workers behind the bounded queue; submitting never waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Generic

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.observe import Unit
from quicgw_fast.ports import TerminalReply
from quicgw_fast.processor.deadlines import Deadlines
from quicgw_fast.processor.execute import too_late
from quicgw_fast.processor.task import AsyncTask, S
from quicgw_fast.processor.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.backend import TaskQueue
    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics

TURN = 16
"""Tasks after which a worker lets others run: a backlog whose sessions are gone never waits by itself."""

_log = logging.getLogger("quicgw.processor")


class _Worker(Generic[S]):
    """A place for one task at a time. What is in it is owed a reply, whatever becomes of the coroutine."""

    __slots__ = ("given_up", "runner", "task", "waiter", "working")

    def __init__(self) -> None:
        self.task: AsyncTask[S] | None = None
        self.working = False
        """The coroutine has begun with the task."""
        self.given_up = False
        """The task's session ended; if the coroutine was working, it was cancelled for that."""
        self.waiter: asyncio.Future[None] | None = None
        self.runner: asyncio.Task[None]


class AsyncRequestProcessor(Generic[S]):
    """Takes accepted requests without blocking and answers each exactly once while its session lives.

    A task goes to a free worker at once, if the rule of ``Turns`` gives it one. Else it goes into the queue, from
    where it is put in its session's lane when a worker next becomes free. It waits, in either place, until its turn
    or its deadline comes or its session ends; ``queue_length`` counts both places, and the queue's capacity bounds
    them together.
    """

    def __init__(
        self,
        queue: TaskQueue[AsyncTask[S]],
        max_workers: int,
        clock: Clock,
        metrics: Metrics,
        *,
        work: Callable[[AsyncTask[S]], Awaitable[TerminalReply]],
        reply: Callable[[AsyncTask[S], TerminalReply], object],
        is_valid: Callable[[S, float], bool],
    ) -> None:
        """``work`` does a task, by calling its service; a RequestError belongs into the outcome.

        ``reply`` sends the terminal reply with the notifies bound to it, as one step. ``is_valid`` tells of a session
        and a time whether it can still get a reply; its task is skipped and counted otherwise.
        """
        self._queue = queue
        self._work = work
        self._reply = reply
        self._is_valid = is_valid
        self._clock = clock
        self._turns: Turns[S] = Turns(max_workers)
        self._deadlines = Deadlines(clock, self._late)
        self._workers: list[_Worker[S]] = [_Worker() for _ in range(max_workers)]
        self._idle: list[_Worker[S]] = []
        self._started = False
        self._rested: asyncio.Event | None = None
        """Set, and forgotten, when the last task is done; there while somebody waits for that."""
        # Behind the prefix, the names of the first four are those of protocol §3.
        metrics.gauge("processor_max_workers", "Workers that there are", lambda: max_workers)
        metrics.gauge("processor_max_queue_size", "Tasks that may wait", lambda: queue.capacity)
        metrics.gauge("processor_queue_length", "Tasks that were accepted and did not start", lambda: self.queue_length)
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
        """Start the workers in the running loop."""
        if self._started or self._queue.closed:
            raise RuntimeError("a processor is started once")
        self._started = True
        for number, worker in enumerate(self._workers):
            worker.runner = asyncio.create_task(self._run(worker), name=f"worker-{number}")
        self._idle = self._workers[::-1]

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
            return True
        if self.queue_length >= self._queue.capacity or not self._queue.try_push(task):
            self._count_rejected.value += 1
            return False
        self._deadlines.add(task)
        self._count_submitted.value += 1
        return True

    def cancel(self, session: S) -> None:
        """End everything that is done for a session that ended: it gets no reply any more, and its workers are free."""
        self._take_in()
        for task in self._turns.drop(session):
            self._deadlines.discard(task)
            self._count_skipped.value += 1
        if not self._turns.running(session):
            return
        for worker in self._workers:
            if worker.task is not None and worker.task.session is session and not worker.given_up:
                worker.given_up = True
                if worker.working:
                    worker.runner.cancel()

    async def quiet(self, timeout: float) -> None:
        """Wait until nothing is waiting or under way, at most ``timeout`` seconds."""
        if not self._busy and not self.queue_length:
            return
        self._rested = self._rested or asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(timeout, 0.0)):
                await self._rested.wait()

    async def stop(self, drain_timeout: float) -> None:
        """Take no more tasks, work off the queue for at most ``drain_timeout`` seconds, then answer the rest 503."""
        was_started, self._started = self._started, False
        self._queue.close()
        if not was_started:
            return
        await self.quiet(drain_timeout)
        self._deadlines.close()
        for worker in self._workers:
            worker.runner.cancel()
        await asyncio.gather(*(worker.runner for worker in self._workers), return_exceptions=True)
        self._take_in()
        for task in self._empty_workers() + self._turns.drop_all():
            self._finish(task, TerminalReply.of_error(_stopping()))

    @property
    def queue_length(self) -> int:
        """How many tasks were accepted and did not start."""
        return self._turns.waiting + len(self._queue)

    @property
    def _busy(self) -> int:
        return len(self._workers) - self._turns.free

    def _empty_workers(self) -> list[AsyncTask[S]]:
        """Take out what the workers left, and return what is owed a reply."""
        owed = []
        for worker in self._workers:
            task, worker.task = worker.task, None
            if task is not None:
                self._turns.end(task.session)
                if not worker.given_up:
                    owed.append(task)
        return owed

    # Who is next

    def _take_in(self) -> None:
        """Put what arrived into the lanes of its sessions."""
        arrived = len(self._queue)
        if arrived:
            for task in self._queue.pop_many(arrived):
                self._turns.add(task)

    def _dispatch(self) -> None:
        """Give free workers to whose turn it is."""
        while (task := self._turns.next()) is not None:
            self._deadlines.discard(task)
            worker = self._idle.pop()
            worker.task = task
            if worker.waiter is not None and not worker.waiter.done():
                worker.waiter.set_result(None)

    def _late(self, task: AsyncTask[S]) -> None:
        """Answer a task whose deadline passed while it waited."""
        self._take_in()
        self._turns.remove(task)
        self._count_late.value += 1
        self._finish(task, TerminalReply.of_error(too_late(task)))
        self._tell_rest()

    def _tell_rest(self) -> None:
        if self._rested is not None and not self._busy and not self.queue_length:
            self._rested.set()
            self._rested = None

    # A worker

    async def _run(self, worker: _Worker[S]) -> None:
        loop = asyncio.get_running_loop()
        taken = 0
        while not worker.runner.cancelling():  # by stop() alone: see _try
            if worker.task is None:
                worker.waiter = loop.create_future()
                await worker.waiter
                worker.waiter = None
            await self._serve(worker)
            taken += 1
            if taken % TURN == 0:
                await asyncio.sleep(0)

    async def _serve(self, worker: _Worker[S]) -> None:
        """Do what is in the worker's place. A cancellation that was meant for the task alone ends here."""
        task, outcome = worker.task, None
        if task is None:
            return
        if worker.given_up:
            self._count_skipped.value += 1
        else:
            outcome = await self._try(worker, task)
        worker.task, worker.given_up = None, False
        self._idle.append(worker)
        self._turns.end(task.session)
        # The reply comes first, because it may submit what waited for it; whose turn it is then is seen for all.
        if outcome is not None:
            self._finish(task, outcome)
        self._take_in()
        self._dispatch()
        self._tell_rest()

    async def _try(self, worker: _Worker[S], task: AsyncTask[S]) -> TerminalReply | None:
        """Work on the task; None when its session is gone, or ends meanwhile."""
        outcome = None
        worker.working = True
        try:
            now = self._clock.now()
            if self._is_valid(task.session, now):
                self._waited.observe(now - task.accepted_at)
                outcome = await self._work(task)
            else:
                self._count_skipped.value += 1
        except asyncio.CancelledError:
            if not worker.given_up or worker.runner.cancelling() > 1:
                raise  # the processor stops, and answers for the task
        except Exception:
            _log.exception("task failed", extra={"task": task.task_id, "action": task.request.action})
            outcome = TerminalReply.of_error(RequestError(ErrorCode.FAILED, "internal error"))
        worker.working = False
        if not worker.given_up:
            return outcome
        worker.runner.uncancel()
        self._count_cancelled.value += 1
        return None

    def _finish(self, task: AsyncTask[S], outcome: TerminalReply) -> None:
        """Reply; a bug in there must cost neither the worker nor the tasks behind this one."""
        try:
            self._reply(task, outcome)
        except Exception:
            _log.exception("reply failed", extra={"task": task.task_id})
        else:
            self._count_completed.value += 1


def _stopping() -> RequestError:
    return RequestError(ErrorCode.OVERLOADED, "gateway stopping", "the request was not finished in time")
