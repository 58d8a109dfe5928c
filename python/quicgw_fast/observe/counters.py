"""Counts of everything that happens, under names from one closed set."""

from __future__ import annotations

NAMES = (
    "connections",
    "starts",
    "starts_refused",
    "auth_refused",
    "resumes",
    "resets",
    "takeovers",
    "stops",
    "logins",
    "requests",
    "requests_refused",
    "replies",
    "errors",
    "replies_dropped",
    "rate_limited",
    "queue_full",
    "protocol_errors",
    "pushes",
    "pushes_refused",
    "pushes_stored",
    "broadcasts",
    "binds_expired",
    "overflows",
    "slow_consumers",
    "idle_closed",
    "tokens_expired",
    "sessions_expired",
    "in_flight_dropped",
    "upkeep_failed",
)


class Counters:
    """Whole numbers that only grow; a name outside ``NAMES`` is a KeyError."""

    def __init__(self) -> None:
        self._values = dict.fromkeys(NAMES, 0)

    def add(self, name: str, amount: int = 1) -> None:
        """Count ``amount`` more of ``name``."""
        self._values[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def snapshot(self) -> dict[str, int]:
        """All values now."""
        return dict(self._values)
