"""A fixed number of workers behind the bounded queue; submitting never waits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.errors import RequestError
from quicgw_fast.processor.execute import Outcome, execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend import TaskQueue
    from quicgw_fast.processor.execute import Call
    from quicgw_fast.processor.task import AsyncTask

TURN = 16
"""Tasks after which a worker lets others run: answering a backlog that is too late never waits by itself."""

_log = logging.getLogger("quicgw.processor")


@dataclass(slots=True, frozen=True)
class Ports:
    """What the processor needs of the rest of the gateway."""

    call: Call
    reply: Callable[[AsyncTask, Outcome], object]
    """Send the terminal reply with the notifies bound to it, as one step."""
    is_valid: Callable[[AsyncTask], bool]
    """Whether the session can still get a reply; otherwise the task is skipped and counted."""
    clock: Callable[[], float]
    """Monotonic seconds."""


class AsyncRequestProcessor:
    """Takes accepted requests without blocking and answers each exactly once while its session lives."""

    def __init__(self, queue: TaskQueue[AsyncTask], ports: Ports, max_workers: int) -> None:
        self._queue = queue
        self._ports = ports
        self._max_workers = max_workers
        self._workers: list[asyncio.Task[None]] = []
        self._idle: deque[asyncio.Future[None]] = deque()
        self._started = False
        self._counts = dict.fromkeys(("submitted", "rejected", "completed", "skipped"), 0)
        self._busy = 0

    def start(self) -> None:
        """Start the workers in the running loop."""
        if self._started or self._queue.closed:
            raise RuntimeError("a processor is started once")
        self._started = True
        self._workers = [
            asyncio.create_task(self._work(), name=f"worker-{number}") for number in range(self._max_workers)
        ]

    def submit(self, task: AsyncTask) -> bool:
        """Queue a task without waiting; False when the queue is full or the processor does not run."""
        if not self._started or not self._queue.try_push(task):
            self._counts["rejected"] += 1
            return False
        self._counts["submitted"] += 1
        self._wake_one()
        return True

    async def stop(self, drain_timeout: float) -> None:
        """Take no more tasks, work off the queue for at most ``drain_timeout`` seconds, then answer the rest 503."""
        self._started = False
        self._queue.close()
        while self._idle:
            self._wake_one()
        if self._workers:
            await asyncio.wait(self._workers, timeout=max(drain_timeout, 0.0))
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        while (task := self._next()) is not None:
            self._finish(task, Outcome.of_error(_stopping()))

    def stats(self) -> dict[str, int | bool]:
        """Sizes and counts since the start (names of the first four: contract §3)."""
        return {
            "max_workers": self._max_workers,
            "max_queue_size": self._queue.capacity,
            "queue_length": len(self._queue),
            "started": self._started,
            "busy_workers": self._busy,
            **self._counts,
        }

    def _next(self) -> AsyncTask | None:
        return self._queue.try_pop()

    def _wake_one(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        taken = 0
        while True:
            task = self._next()
            if task is not None:
                await self._process(task)
                taken += 1
                if taken % TURN == 0:
                    await asyncio.sleep(0)
            elif self._queue.closed:
                return
            else:
                waiter = loop.create_future()
                self._idle.append(waiter)
                await waiter

    async def _process(self, task: AsyncTask) -> None:
        if not self._ports.is_valid(task):
            self._counts["skipped"] += 1
            return
        self._busy += 1
        try:
            outcome = await execute(task, self._ports.call, self._ports.clock)
        except asyncio.CancelledError:  # the gateway stops and the drain time is over
            self._finish(task, Outcome.of_error(_stopping()))
            raise
        except Exception:
            _log.exception("task failed: task_id=%s action=%r", task.task_id, task.request.action[:128])
            outcome = Outcome.of_error(RequestError(500, "internal error"))
        finally:
            self._busy -= 1
        self._finish(task, outcome)

    def _finish(self, task: AsyncTask, outcome: Outcome) -> None:
        """Reply; a bug in there must cost neither the worker nor the tasks behind this one."""
        try:
            self._ports.reply(task, outcome)
        except Exception:
            _log.exception("reply failed: task_id=%s", task.task_id)
        else:
            self._counts["completed"] += 1


def _stopping() -> RequestError:
    return RequestError(503, "gateway stopping", "the request was not finished in time", retry_after_ms=1000)
