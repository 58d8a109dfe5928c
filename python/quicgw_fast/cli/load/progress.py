"""How far a run is: one line that is written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType

    from quicgw_fast._core import LoadSnapshot

EVERY = 2.0
"""Seconds between two lines where they are not written over."""


class Progress(Protocol):
    """Shows what there is so far."""

    def show(self, found: LoadSnapshot, now: float) -> None:
        """Show it; ``now`` is in seconds."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress(sessions: int, *, quiet: bool) -> Progress:
    """Choose by what standard error is."""
    if quiet:
        return Silent()
    return OnTerminal(sessions) if sys.stderr.isatty() else Lines(sessions)


class Silent:
    """Shows nothing."""

    def show(self, found: LoadSnapshot, now: float) -> None:
        """Do nothing."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Lines:
    """Writes a line to standard error when the phase is another one, and now and then."""

    def __init__(self, sessions: int) -> None:
        self._line = ProgressLine(sessions)
        self._phase = ""
        self._at = 0.0

    def show(self, found: LoadSnapshot, now: float) -> None:
        """Write a line if it is time for one."""
        text = self._line.text(found, now)
        if found.phase != self._phase or now - self._at >= EVERY:
            self._phase, self._at = found.phase, now
            print(text, file=sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class OnTerminal:
    """Keeps one line of the terminal up to date."""

    def __init__(self, sessions: int) -> None:
        from rich.console import Console

        self._line = ProgressLine(sessions)
        self._status = Console(stderr=True).status("ramp")

    def show(self, found: LoadSnapshot, now: float) -> None:
        """Write the line anew."""
        self._status.update(self._line.text(found, now))

    def __enter__(self) -> Progress:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()


class ProgressLine:
    """The words of the line; the rate is the one since the line before."""

    def __init__(self, sessions: int) -> None:
        self._sessions = sessions
        self._replies, self._at = 0, 0.0

    def text(self, found: LoadSnapshot, now: float) -> str:
        """Say how far it is."""
        passed = now - self._at
        rate = (found.replies - self._replies) / passed if self._at and passed else 0.0
        self._replies, self._at = found.replies, now
        words = f"{found.phase:<8} {found.online}/{self._sessions} sessions  {rate:,.0f} replies/s"
        latency = found.latency
        if latency.count:
            words += f"  p50 {latency.p50:.2f} ms  p99 {latency.p99:.2f} ms"
        if found.errors or found.answers:
            words += f"  {sum(found.errors.values()) + sum(found.answers.values())} errors"
        if found.violations:
            words += f"  {found.violations} VIOLATIONS"
        return words
