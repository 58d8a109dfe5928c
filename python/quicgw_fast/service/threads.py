"""Where handlers that are a plain ``def`` run, and how it shows when something holds up the rest.

Health checks and everybody else's requests are answered by the event loop. So a function that may block runs in one of
a bounded number of threads; when all are busy the next one waits for its turn, within its deadline. A coroutine that
blocks is a mistake that nothing can make good: it is told in the log, by how late the loop was.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("quicgw.service")

LOOK_EVERY = 0.25
"""Seconds between two looks at the loop."""
HELD_UP = 0.5
"""Seconds by which the loop may be late; the gateway takes a service that answers nothing for so long for frozen."""
SAY_EVERY = 60.0
"""Seconds between two lines that say the same."""


class Threads:
    """At most ``count`` threads for plain handlers, and the watch over the loop. Make it inside the running loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="service-handler")
        self._busy = 0
        self._said_full = self._said_late = -SAY_EVERY
        self._watch = asyncio.create_task(self._watch_loop(), name="service-watch")

    @property
    def busy(self) -> int:
        """How many functions run or wait for a thread."""
        return self._busy

    async def run(self, function: Callable[..., object], *arguments: object) -> object:
        """Call a function in a thread; one that is cancelled while it waits for a thread is never called."""
        if self._busy >= self._count:
            self._say_full()
        context = contextvars.copy_context()
        waiting = self._pool.submit(context.run, partial(_carried, function, *arguments))
        self._busy += 1
        loop = asyncio.get_running_loop()
        # The function may go on for long after nobody waits for it any more, and its thread is busy until then.
        waiting.add_done_callback(lambda _: _call_if_open(loop, self._ended))
        return await asyncio.wrap_future(waiting)

    async def close(self) -> None:
        """Take nothing more; what runs goes on, as a thread cannot be ended."""
        self._watch.cancel()
        await asyncio.wait({self._watch})
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self) -> None:
        self._busy -= 1

    def _say_full(self) -> None:
        now = time.monotonic()
        if now - self._said_full >= SAY_EVERY:
            self._said_full = now
            remedy = "handlers wait for a thread: raise threads=…, or write them as async def"
            _log.warning("all threads busy", extra={"threads": self._count, "remedy": remedy})

    async def _watch_loop(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)
            late = time.monotonic() - before - LOOK_EVERY
            if late >= HELD_UP and before - self._said_late >= SAY_EVERY:
                self._said_late = before
                remedy = "an async def blocks everybody: await what waits, or write the handler as a plain def"
                _log.warning("event loop held up", extra={"seconds": round(late, 2), "remedy": remedy})


def _carried(function: Callable[..., object], *arguments: object) -> object:
    """Call it; raises RuntimeError in the place of what no future carries to a coroutine, or what ends a program.

    A coroutine itself does so with StopIteration (PEP 479).
    """
    try:
        return function(*arguments)
    except Exception as error:
        if not isinstance(error, StopIteration):
            raise
        raised: BaseException = error
    except BaseException as error:
        raised = error
    raise RuntimeError(f"the handler raised {type(raised).__name__}") from raised


def _call_if_open(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
