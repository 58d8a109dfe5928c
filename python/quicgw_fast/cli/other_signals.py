"""Signals that end a process unless it says otherwise, and must not end a gateway.

SIGHUP has the configuration read again, SIGUSR1 has the numbers of the moment logged, SIGUSR2 has another process take
over where one can, and every other one that somebody may send by mistake, or by another program's convention, is logged
and changes nothing. SIGINT and SIGTERM end it (``event_loop.Signals``), and SIGQUIT still ends it at once, for a core
dump.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType, TracebackType

NAMES = (
    *("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGPIPE"),
    *("SIGXCPU", "SIGTRAP", "SIGSYS"),
)
"""Those by name; not every platform has all. Those without a purpose of their own are caught, too (``SIGRTMIN`` on)."""

_log = logging.getLogger("quicgw.cli")


class OtherSignals:
    """Catches them while the context lasts."""

    def __init__(self) -> None:
        self._came: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: dict[str, Callable[[], None]] = {}
        self._before: dict[int, Any] = {}

    @contextmanager
    def following(
        self,
        *,
        hang_up: Callable[[], None] | None = None,
        user_1: Callable[[], None],
        user_2: Callable[[], None] | None = None,
    ) -> Iterator[None]:
        """Call these in the running loop for SIGHUP, SIGUSR1 and SIGUSR2, also for one that came before."""
        wanted = {"SIGUSR1": user_1, "SIGUSR2": user_2, "SIGHUP": hang_up}
        self._calls = {name: call for name, call in wanted.items() if call is not None}
        self._loop = asyncio.get_running_loop()
        self._tell()
        try:
            yield
        finally:
            self._loop = None

    def __enter__(self) -> OtherSignals:
        for number in _numbers():
            self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Note it. The interpreter may have been interrupted anywhere, so that little is used here."""
        if number not in self._came:  # many at once are one, and memory stays bounded
            self._came.append(number)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        came, self._came = self._came, []
        for number in came:
            name = _name(number)
            call = self._calls.get(name)
            if call is not None:
                call()
            elif name != "SIGPIPE":  # a reader that went away, which whoever writes to it is told as well
                _log.warning("signal ignored", extra={"signal": name, "remedy": "SIGTERM stops, SIGHUP reloads"})


def _numbers() -> Iterable[int]:
    named = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return dict.fromkeys([*named, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)])


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
