"""Running a command in an event loop, and ending it by signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType, TracebackType
    from typing import Any

    Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work`` to its end, on uvloop where that is installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:  # it does not exist for every platform; asyncio's own loop does the same, slower
        new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


class Interrupted(Exception):  # noqa: N818 - it is no error
    """The first signal came while something was waited for that it may break off."""


class Signals:
    """SIGINT and SIGTERM while the context lasts: the first one asks for an end, the second one is the end.

    ``at_once`` is called right before the second signal ends the process: for what must not be left behind.
    """

    def __init__(self, at_once: Callable[[], None] | None = None) -> None:
        self._at_once = at_once
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}

    async def wait(self) -> None:
        """Wait for the first signal."""
        await self._came.wait()

    async def unless(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of ``work``; at the first signal cancel it and raise Interrupted."""
        task = asyncio.ensure_future(work)
        came = asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait((task, came), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted
        finally:
            came.cancel()
            task.cancel()
            await asyncio.wait((task, came))

    def __enter__(self) -> Signals:
        for number in SIGNALS:
            self._before[number] = signal.getsignal(number)
            self._loop.add_signal_handler(number, self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def _first(self) -> None:
        """Ask for the end. From now on signals are not the loop's business: it may be what hangs."""
        for number in SIGNALS:
            self._loop.remove_signal_handler(number)
            signal.signal(number, self._second)
        self._came.set()

    def _second(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End the process. It may have been interrupted anywhere, so nothing is used that could be half-way."""
        try:
            if self._at_once is not None:
                self._at_once()
            os.write(sys.stderr.fileno(), b"quicgw: ended by a second signal\n")
        finally:
            os._exit(128 + number)


def announce(line: str) -> None:
    """Write ``line`` to standard output at once: scripts wait for it."""
    try:
        print(line, flush=True)  # noqa: T201 - this is the command's output
    except OSError as error:
        # Python flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StartupError(f"cannot write to standard output: {error.strerror}; it must stay open") from error
