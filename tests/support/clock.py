"""Time that stands still until the test moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """A call that comes when the test has moved the time far enough."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Monotonic and wall time that only the test moves, and the timers that go off meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_800_000_000.0
        self._timers: list[Timer] = []

    @property
    def face(self) -> Face:
        """The clock as the gateway's parts take it."""
        return Face(self)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self._timers.append(Timer(self.now + delay, callback))
        return self._timers[-1]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer.at <= end and not timer.cancelled]:
            timer = min(due, key=lambda timer: timer.at)
            self._timers.remove(timer)
            self._pass(max(timer.at - self.now, 0.0))
            timer.callback()
        self._timers = [timer for timer in self._timers if not timer.cancelled]
        self._pass(end - self.now)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


class Face:
    """A ``Clock`` of the gateway that shows a test's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.call_later = clock.call_later

    def now(self) -> float:
        return self._clock.now

    def wall(self) -> float:
        return self._clock.wall
