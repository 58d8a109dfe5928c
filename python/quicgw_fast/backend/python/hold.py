"""Notifies that came before login, kept until there is somebody to send them to."""

from __future__ import annotations

from quicgw_fast.backend.errors import CacheFull


class HoldCache:
    """Bodies in the order they came, bounded in number and bytes (contract §4, IMMEDIATE before login)."""

    __slots__ = ("_bytes", "_bytes_limit", "_limit", "bodies")

    def __init__(self, limit: int, bytes_limit: int) -> None:
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._bytes = 0
        self.bodies: list[bytes] = []

    def add(self, body: bytes) -> None:
        """Keep one more; CacheFull over a bound."""
        if len(self.bodies) >= self._limit or self._bytes + len(body) > self._bytes_limit:
            raise CacheFull
        self.bodies.append(body)
        self._bytes += len(body)

    def take(self) -> list[bytes]:
        """Take all of them out."""
        taken, self.bodies, self._bytes = self.bodies, [], 0
        return taken
