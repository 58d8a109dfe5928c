"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.cli.progress_bar import bar

if TYPE_CHECKING:
    from types import TracebackType

    from quicgw_fast._core import LoadSnapshot
    from quicgw_fast.cli.load.plan import LoadPlan

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


def progress(plan: LoadPlan, *, quiet: bool) -> Progress:
    """Choose by what standard error is."""
    if quiet:
        return Silent()
    return OnTerminal(plan) if sys.stderr.isatty() else Lines(len(plan.clients))


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
    """Keeps a bar up to date: of clients while they begin, then of the time that each phase takes."""

    def __init__(self, plan: LoadPlan) -> None:
        self._line = ProgressLine(len(plan.clients))
        self._times = {"warm-up": plan.warm_up, "measure": plan.duration}
        self._clients = len(plan.clients)
        self._phase, self._since = "ramp", 0.0
        self._bar = bar()
        self._task = self._bar.add_task(f"{self._phase:<8}", total=self._clients, words="")

    def show(self, found: LoadSnapshot, now: float) -> None:
        """Draw it anew; how long the last phases take nobody knows."""
        if found.phase != self._phase:
            self._phase, self._since = found.phase, now
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(f"{self._phase:<8}", total=self._times.get(self._phase), words="")
        done = float(found.online) if self._phase == "ramp" else now - self._since
        self._bar.update(self._task, completed=done, words=self._line.words(found, now))

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class ProgressLine:
    """The words of the line; the rate is the one since the line before."""

    def __init__(self, sessions: int) -> None:
        self._sessions = sessions
        self._replies, self._at = 0, 0.0

    def text(self, found: LoadSnapshot, now: float) -> str:
        """Say in which phase it is, and how far."""
        return f"{found.phase:<8} {self.words(found, now)}"

    def words(self, found: LoadSnapshot, now: float) -> str:
        """Say how far it is."""
        passed = now - self._at
        rate = (found.replies - self._replies) / passed if self._at and passed else 0.0
        self._replies, self._at = found.replies, now
        words = f"{found.online}/{self._sessions} sessions  {rate:,.0f} replies/s"
        latency = found.latency
        if latency.count:
            words += f"  p50 {latency.p50:.2f} ms  p99 {latency.p99:.2f} ms"
        if found.errors or found.answers:
            words += f"  {sum(found.errors.values()) + sum(found.answers.values())} errors"
        if found.violations:
            words += f"  {found.violations} VIOLATIONS"
        return words
