"""Heartbeats: when to send one, and when silence means that the link is dead. Time is an argument."""

from __future__ import annotations

from enum import Enum


class Pulse(Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    SEND = "send"
    DEAD = "dead"


class Liveness:
    """One link's heartbeat.

    A heartbeat goes out every ``interval`` seconds. The link is dead when nothing at all came for
    ``max_missed`` intervals, measured from the last sign of life, so that a killed gateway is noticed within
    exactly that time. A process that slept (a closed laptop, a stopped debugger) first asks again: silence
    only counts when a heartbeat of this silence had a whole interval for its answer.
    """

    def __init__(self, interval: float, max_missed: int, now: float) -> None:
        self.interval = interval
        self._limit = interval * max_missed
        self._last_sign = now
        self._next_send = now + interval
        self._asked_at: float | None = None  # first heartbeat since the last sign of life

    def sign(self, now: float) -> None:
        """Something came from the gateway."""
        self._last_sign = now
        self._asked_at = None

    @property
    def wake_at(self) -> float:
        """When to call poll() next."""
        return min(self._next_send, self._dead_at)

    @property
    def _dead_at(self) -> float:
        silent = self._last_sign + self._limit
        if self._asked_at is None:
            return max(silent, self._next_send)
        return max(silent, self._asked_at + min(self.interval, self._limit))

    def poll(self, now: float) -> Pulse:
        """Say what is due at ``now``; SEND counts as done."""
        if self._asked_at is not None and now >= self._dead_at:
            return Pulse.DEAD
        if now < self._next_send:
            return Pulse.NOTHING
        self._next_send = now + self.interval
        if self._asked_at is None:
            self._asked_at = now
        return Pulse.SEND
