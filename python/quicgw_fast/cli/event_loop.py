"""Running a command in an event loop, and ending it by signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from quicgw_fast.cli.output import Output, OutputFailed
from quicgw_fast.cli.statuses import Interrupted
from quicgw_fast.errors import StartupError
from quicgw_fast.writer import write_if_free

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from types import FrameType, TracebackType
    from typing import Any

    Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_SIGNAL = 0.05
"""Seconds in which a signal counts as the first one, delivered twice: timeout(1) signals its child and its group."""
READER_TIMEOUT = 1.0
"""Seconds that whoever reads the line of ``announce`` has to take it."""

_log = logging.getLogger("quicgw.cli")
_at_work: list[asyncio.AbstractEventLoop] = []


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work`` to its end, on uvloop where that is installed.

    A signal cancels it, unless it looks at them itself (``Signals``), and Interrupted is raised; a second one ends the
    process.
    """
    try:
        from uvloop import new_event_loop
    except ImportError:  # it does not exist for every platform; asyncio's own loop does the same, slower
        new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=new_event_loop) as runner, at_work(runner.get_loop()):
        return runner.run(_interruptible(work))


@contextlib.contextmanager
def at_work(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let it be known that it runs, or is about to: while it begins and ends, asyncio does not know of it."""
    _at_work.append(loop)
    try:
        yield
    finally:
        _at_work.remove(loop)


def loop_at_work() -> asyncio.AbstractEventLoop | None:
    """Return the loop that may not be broken off at this moment; None where there is none."""
    return _at_work[-1] if _at_work else None


async def _interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    with Signals() as signals:
        result = await signals.unless(work)
    signals.check()  # one that came when the work was over still ends what follows it, such as waiting for a reader
    return result


class Signals:
    """SIGINT and SIGTERM, or other ``numbers``, while the context lasts: the first asks for an end, the second is it.

    The handlers are the interpreter's and not the loop's: a loop that hangs would never look at them. ``at_once`` is
    called right before the second signal ends the process: for what must not be left behind.
    """

    def __init__(
        self, at_once: Callable[[], None] | None = None, *, numbers: Iterable[signal.Signals] = SIGNALS
    ) -> None:
        self._at_once = at_once
        self._numbers = numbers
        self._came = asyncio.Event()
        self._number = 0
        self._first_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}

    async def wait(self) -> None:
        """Wait for the first signal."""
        await self._came.wait()

    def end(self) -> None:
        """Ask for an end as a first signal does. It is none: one that comes then is the first, and ends nothing."""
        self._came.set()

    async def unless(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of ``work``; at the first signal cancel it and raise Interrupted."""
        task = asyncio.ensure_future(work)
        came = asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait((task, came), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted(self._number)
        finally:
            came.cancel()
            task.cancel()
            await asyncio.wait((task, came))

    @property
    def came(self) -> bool:
        """Tell whether a signal came."""
        return self._number != 0

    def check(self) -> None:
        """Raise Interrupted if a signal came."""
        if self._number:
            raise Interrupted(self._number)

    def __enter__(self) -> Signals:
        for number in self._numbers:
            self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Ask for the end, or end the process. It may have been interrupted anywhere, so little is used here."""
        now = time.monotonic()
        if not self._number:
            self._number, self._first_at = number, now
            self._loop.call_soon_threadsafe(self._came.set)
            return
        if now - self._first_at < SAME_SIGNAL:
            return
        try:
            if self._at_once is not None:
                self._at_once()
            write_if_free(2, b"quicgw: ended by a second signal\n")
        finally:
            os._exit(128 + number)


async def announce(line: str) -> None:
    """Write ``line`` to standard output: scripts wait for it.

    Raises StartupError when it cannot be written. A reader that does not read is only told of in the log: what is
    announced goes on without it.
    """
    output = sys.stdout
    try:
        print(line, flush=True)
        if isinstance(output, Output):
            taken = await asyncio.get_running_loop().run_in_executor(None, output.settle, READER_TIMEOUT)
            if not taken:
                _log.warning("nobody reads standard output", extra={"line": line})
    except OutputFailed as error:
        raise StartupError(f"{error}; it must stay open") from error
    finally:
        if isinstance(output, Output):
            output.abandon()
