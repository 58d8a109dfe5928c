"""Counts of everything that happens, under names from one closed set."""

from __future__ import annotations

NAMES = (
    "connections",
    "connections_refused",
    "handshakes_failed_alpn",
    "handshakes_failed_left",
    "handshakes_failed_protocol",
    "handshakes_failed_timeout",
    "handshakes_failed_tls",
    "peers_throttled",
    "starts",
    "starts_departed",
    "starts_outdated",
    "starts_refused",
    "auth_refused",
    "auth_unread",
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
    "pushes_handed_over",
    "pushes_lost",
    "store_failures",
    "broadcasts",
    "binds_expired",
    "overflows",
    "memory_victims",
    "slow_consumers",
    "slow_senders",
    "floods_closed",
    "drain_undelivered",
    "idle_closed",
    "tokens_expired",
    "sessions_expired",
    "in_flight_dropped",
    "housekeeping_failed",
    "upstream_failures",
    "upstream_timeouts",
    "upstream_busy",
    "upstream_unavailable",
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
