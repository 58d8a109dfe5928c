"""The one clock of a gateway: every part that knows time gets it, so that tests can let time stand still."""

from __future__ import annotations

import asyncio
import time
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """See to it that the call does not come."""


class CallLater(Protocol):
    """How a call is made due later."""

    def __call__(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Call after ``delay`` of the monotonic seconds."""


class Clock(Protocol):
    """Two times that must not be mixed up, and calls that are due later."""

    def now(self) -> float:
        """Monotonic seconds: for whatever lasts or is due."""

    def wall(self) -> float:
        """Seconds since 1970: for what outlives the process, and for tokens."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Call after ``delay`` of the monotonic seconds."""


class SystemClock:
    """The system's clock, and the timers of one event loop: the one that runs when the first call is made due."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    @cached_property
    def call_later(self) -> CallLater:
        """See ``Clock``. The loop's own method, as every datagram moves a timer."""
        return asyncio.get_running_loop().call_later


class SteadyClock:
    """A clock whose ``wall`` passes as the monotonic time does, from where it was when this one was made.

    For ages: a system's clock that is moved must not make old in a moment what was put aside just before. The next
    process goes by the new time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.wall() - clock.now()

    def now(self) -> float:
        """See ``Clock``."""
        return self._clock.now()

    def wall(self) -> float:
        """See ``Clock``."""
        return self._clock.now() + self._offset

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """See ``Clock``."""
        return self._clock.call_later(delay, callback)
