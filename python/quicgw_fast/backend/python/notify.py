"""Notifies that wait for the reply to a request, to go out right before or right after it."""

from __future__ import annotations

from typing import final

from quicgw_fast.backend.errors import BIND_LIMIT, BindRefused
from quicgw_fast.backend.python import checks


@final
class NotifyBuffers:
    """Notifies bound to requests, by the request's number, the "grid" (contract §4).

    per_request: most notifies of one request, before and after together; total: most of all requests.
    """

    __slots__ = ("__weakref__", "_after", "_before", "_len", "_per_request", "_total")

    def __init__(self, per_request: int = 64, total: int = 1024) -> None:
        self._per_request = checks.u64(per_request)
        self._total = checks.u64(total)
        self._before: dict[int, list[tuple[bytes, float]]] = {}
        self._after: dict[int, list[tuple[bytes, float]]] = {}
        self._len = 0

    def bind(self, grid: int, before: bool, body: bytes, expires_at: float) -> None:
        """Keep a notify for the reply to grid, behind those kept already.

        expires_at: seconds on the clock of expire(). Raises BindRefused BIND_LIMIT over a bound.
        """
        grid = checks.u64(grid)
        side = self._before if checks.flag(before) else self._after
        bound = (checks.octets(body), checks.seconds(expires_at))
        if self._len >= self._total or self.count(grid) >= self._per_request:
            raise BindRefused(BIND_LIMIT)
        side.setdefault(grid, []).append(bound)
        self._len += 1

    def take_before(self, g: int) -> list[bytes]:
        """Take out what goes before the reply to g, in the order it was bound."""
        return self._take(self._before, checks.u64(g))

    def take_after(self, g: int) -> list[bytes]:
        """Take out what goes after the reply to g, in the order it was bound."""
        return self._take(self._after, checks.u64(g))

    def expire(self, now: float) -> int:
        """Drop the notifies whose expires_at is not after now, and return how many."""
        now = checks.seconds(now)
        dropped = sum(_expire(side, now) for side in (self._before, self._after))
        self._len -= dropped
        return dropped

    def count(self, g: int) -> int:
        """How many notifies are kept for g."""
        g = checks.u64(g)
        return len(self._before.get(g, ())) + len(self._after.get(g, ()))

    def __len__(self) -> int:
        return self._len

    def _take(self, side: dict[int, list[tuple[bytes, float]]], grid: int) -> list[bytes]:
        taken = side.pop(grid, [])
        self._len -= len(taken)
        return [body for body, _ in taken]


def _expire(side: dict[int, list[tuple[bytes, float]]], now: float) -> int:
    dropped = 0
    for grid, kept in list(side.items()):
        # "not <=" and not ">": a time that is not a number is never reached.
        alive = [bound for bound in kept if not bound[1] <= now]
        dropped += len(kept) - len(alive)
        if alive:
            side[grid] = alive
        else:
            del side[grid]
    return dropped
