"""Notifies that came before login, kept until there is somebody to send them to."""

from __future__ import annotations


class HoldCache:
    """Bodies in the order they came, bounded in number and bytes (protocol §4, IMMEDIATE before login)."""

    __slots__ = ("_bytes", "_bytes_limit", "_limit", "bodies")

    def __init__(self, limit: int, bytes_limit: int) -> None:
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._bytes = 0
        self.bodies: list[bytes] = []

    def has_room(self, size: int) -> bool:
        """Whether one of so many bytes more is within the bounds."""
        return len(self.bodies) < self._limit and self._bytes + size <= self._bytes_limit

    def add(self, body: bytes) -> None:
        """Keep one more, which has room."""
        self.bodies.append(body)
        self._bytes += len(body)

    def forget(self, n: int) -> None:
        """Forget the n oldest."""
        self._bytes -= sum(map(len, self.bodies[:n]))
        del self.bodies[:n]
