"""Notifies that wait for the reply to a request, to go out right before or right after it."""

from __future__ import annotations

from typing import final

from quicgw_fast.backend.errors import BindRefused
from quicgw_fast.backend.python import checks
from quicgw_fast.codes import BindCode


@final
class NotifyBuffers:
    """Notifies bound to requests, by the request's number, the "client_seq" (protocol §4).

    per_request: most notifies of one request, before and after together; total: most of all requests.
    """

    __slots__ = ("__weakref__", "_after", "_before", "_len", "_per_request", "_size", "_total")

    def __init__(self, per_request: int = 64, total: int = 1024) -> None:
        self._per_request = checks.u64(per_request)
        self._total = checks.u64(total)
        self._before: dict[int, list[tuple[bytes, float]]] = {}
        self._after: dict[int, list[tuple[bytes, float]]] = {}
        self._len = 0
        self._size = 0

    def bind(self, client_seq: int, before: bool, body: bytes, expires_at: float) -> None:
        """Keep a notify for the reply to client_seq, behind those kept already.

        expires_at: seconds on the clock of expire(). Raises BindRefused BIND_LIMIT over a bound.
        """
        client_seq = checks.u64(client_seq)
        side = self._before if checks.flag(before) else self._after
        bound = (checks.octets(body), checks.seconds(expires_at))
        self._check_room(client_seq)
        side.setdefault(client_seq, []).append(bound)
        self._len += 1
        self._size += len(body)

    def take_before(self, g: int) -> list[bytes]:
        """Take out what goes before the reply to g, in the order it was bound."""
        return self._take(self._before, checks.u64(g))

    def take_after(self, g: int) -> list[bytes]:
        """Take out what goes after the reply to g, in the order it was bound."""
        return self._take(self._after, checks.u64(g))

    def expire(self, now: float) -> int:
        """Drop the notifies whose expires_at is not after now, and return how many."""
        now = checks.seconds(now)
        dropped = [body for side in (self._before, self._after) for body in _expire(side, now)]
        self._forget(dropped)
        return len(dropped)

    def count(self, g: int) -> int:
        """How many notifies are kept for g."""
        g = checks.u64(g)
        return len(self._before.get(g, ())) + len(self._after.get(g, ()))

    @property
    def size(self) -> int:
        """Bytes of the notifies that are kept."""
        return self._size

    def __len__(self) -> int:
        return self._len

    # For the outbox

    def _check_room(self, client_seq: int) -> None:
        """Raise BindRefused if no more notifies may be bound to client_seq."""
        if self._len >= self._total or self.count(client_seq) >= self._per_request:
            raise BindRefused(BindCode.LIMIT)

    def _waiting(self, client_seq: int) -> tuple[list[bytes], list[bytes]]:
        """Return what goes before and after the reply to client_seq."""
        before, after = ([body for body, _ in side.get(client_seq, ())] for side in (self._before, self._after))
        return before, after

    def _clear(self) -> None:
        """Drop everything."""
        self._before.clear()
        self._after.clear()
        self._len = self._size = 0

    def _take(self, side: dict[int, list[tuple[bytes, float]]], client_seq: int) -> list[bytes]:
        taken = [body for body, _ in side.pop(client_seq, [])]
        self._forget(taken)
        return taken

    def _forget(self, bodies: list[bytes]) -> None:
        self._len -= len(bodies)
        self._size -= sum(map(len, bodies))


def _expire(side: dict[int, list[tuple[bytes, float]]], now: float) -> list[bytes]:
    dropped = []
    for client_seq, kept in list(side.items()):
        # "not <=" and not ">": a time that is not a number is never reached.
        alive = [bound for bound in kept if not bound[1] <= now]
        dropped += [body for body, expires_at in kept if expires_at <= now]
        if alive:
            side[client_seq] = alive
        else:
            del side[client_seq]
    return dropped
