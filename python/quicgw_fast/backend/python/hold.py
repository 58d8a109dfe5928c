"""Notifies that came before login, kept until there is somebody to send them to."""

from __future__ import annotations


class HoldCache:
    """Bodies in the order they came, bounded in number and bytes (protocol §4), each with the ticket that names it."""

    __slots__ = ("_bytes", "_bytes_limit", "_limit", "bodies", "tickets")

    def __init__(self, limit: int, bytes_limit: int) -> None:
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._bytes = 0
        self.bodies: list[bytes] = []
        self.tickets: list[int] = []

    def has_room(self, size: int, instead_of: int = 0) -> bool:
        """Whether one of so many bytes more is within the bounds, perhaps in place of a named one that is here."""
        freed = 0 if not instead_of else len(self.bodies[self.tickets.index(instead_of)])
        return len(self.bodies) - bool(instead_of) < self._limit and self._bytes + size - freed <= self._bytes_limit

    def add(self, body: bytes, ticket: int) -> None:
        """Keep one more, which has room."""
        self.bodies.append(body)
        self.tickets.append(ticket)
        self._bytes += len(body)

    def remove(self, ticket: int) -> int:
        """Forget the one with that ticket, which is here, and return how many bytes it had."""
        at = self.tickets.index(ticket)
        size = len(self.bodies[at])
        del self.bodies[at], self.tickets[at]
        self._bytes -= size
        return size

    def forget(self, n: int) -> list[int]:
        """Forget the n oldest, and return their tickets."""
        self._bytes -= sum(map(len, self.bodies[:n]))
        tickets = self.tickets[:n]
        del self.bodies[:n], self.tickets[:n]
        return tickets
