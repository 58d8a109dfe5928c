"""The thread in which connections live: an event loop that no code of the application ever holds up.

All clients of a process share one. It begins with the first of them, does nothing while there are none, and ends with
the process. A process that was forked has none of its parent's threads: it makes clients of its own, and is told so
when it uses one that it inherited.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from quicgw_fast.client.mail import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
END_TIMEOUT = 1.0
"""Seconds that the end of the process waits for a thread."""


class LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._mail = Mailbox(self.loop)
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, work: Callable[[], object]) -> None:
        """Have ``work`` called in the loop, behind everything that was posted before."""
        self.check_process()
        self._mail.post(work)

    def post_if_ours(self, work: Callable[[], object]) -> None:
        """Post what tidies up; in a process that was forked there is nobody to do it, nor anything to tidy up."""
        if self._process == os.getpid():
            self._mail.post(work)

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Errand[T]:
        """Have ``coroutine`` run in the loop, begun behind everything that was posted before."""
        errand = Errand(coroutine, self.loop)
        try:
            self.post(errand.begin)
        except RuntimeError:
            coroutine.close()
            raise
        return errand

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` in the loop and wait in another one for its result.

        Cancelled, it cancels that too, after a first step in any case, and waits until it has ended.
        """
        errand = self.begin(coroutine)
        result = asyncio.wrap_future(errand.result)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            self.post(errand.cancel)
            await asyncio.wait([result])
            if not result.cancelled():
                result.exception()  # whoever is cancelled does not hear of it
            raise

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` in the loop and hold this thread up until its result is there.

        What interrupts the waiting, as Ctrl-C does, cancels that and comes out at once.
        """
        self._check_place()
        errand = self.begin(coroutine)
        try:
            return errand.result.result()
        except BaseException:
            self.post(errand.cancel)
            raise

    def ask(self, work: Callable[[], T]) -> T:
        """Call ``work`` in the loop, hold this thread up, and return what it returns."""

        async def call() -> T:
            return work()

        return self.wait(call())

    def end(self, timeout: float = END_TIMEOUT) -> None:
        """End loop and thread when what was posted is done, and wait ``timeout`` seconds for that.

        Coroutines that still run there are cancelled.
        """
        if self._process == os.getpid() and self._thread.is_alive():
            self._mail.post(self.loop.stop)
            if threading.current_thread() is not self._thread:
                self._thread.join(timeout)

    def check_process(self) -> None:
        """Raise RuntimeError in a process that was forked: the thread is its parent's."""
        if self._process != os.getpid():
            raise RuntimeError("this client belongs to the process that was forked; connect again in this one")

    def _check_place(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("the thread of the connections cannot wait for itself")

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            # What is cancelled may begin something that ends by itself: a connection says that it closes.
            for patience in (0.0, END_TIMEOUT / 4, 0.0):
                self._end_tasks(patience)
        finally:
            self.loop.close()

    def _end_tasks(self, patience: float) -> None:
        tasks = asyncio.all_tasks(self.loop)
        if not tasks:
            return
        _, late = self.loop.run_until_complete(asyncio.wait(tasks, timeout=patience))
        for task in late:
            task.cancel()
        if late:
            self.loop.run_until_complete(asyncio.wait(late, timeout=END_TIMEOUT / 4))


class Errand(Generic[T]):
    """A coroutine that runs in another thread's loop, and its result."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self.result: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.result.set_running_or_notify_cancel()  # who gives up says so by cancel(), which has an end

    def begin(self) -> None:
        """Start it; in its loop."""
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Cancel it, but not before its first step; in its loop."""
        assert self._task is not None, "begun before"
        self._loop.call_soon(self._task.cancel)

    def _ended(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.result.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.result.set_exception(error)
        else:
            self.result.set_result(task.result())


_shared: LoopThread | None = None
_sharing = threading.Lock()


def io_thread() -> LoopThread:
    """Return the thread that all clients of this process share; it begins with the first call."""
    global _shared
    with _sharing:
        if _shared is None:
            _shared = LoopThread("quicgw clients")
            atexit.register(_shared.end)
        return _shared


def _forget() -> None:
    """There is no such thread in a process that was forked; the lock may have been held by one that is not there."""
    global _shared, _sharing
    _shared, _sharing = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
