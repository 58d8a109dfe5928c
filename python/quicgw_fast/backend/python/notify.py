"""Notifies that wait for the reply to a request, to go out right before or right after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from quicgw_fast.backend.errors import BindRefused
from quicgw_fast.backend.python import checks
from quicgw_fast.backend.python.tickets import NO_TICKET
from quicgw_fast.codes import BindCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class BoundNotify(NamedTuple):
    """One notify that waits."""

    body: bytes
    expires_at: float
    ticket: int


@final
class NotifyBuffers:
    """Notifies bound to requests, by the request's number, the "client_seq" (protocol §4).

    per_request: most notifies of one request, before and after together; total: most of all requests.
    """

    __slots__ = ("__weakref__", "_after", "_before", "_len", "_per_request", "_size", "_total")

    def __init__(self, per_request: int = 64, total: int = 1024) -> None:
        self._per_request = checks.u64(per_request)
        self._total = checks.u64(total)
        self._before: dict[int, list[BoundNotify]] = {}
        self._after: dict[int, list[BoundNotify]] = {}
        self._len = 0
        self._size = 0

    def bind(self, client_seq: int, before: bool, body: bytes, expires_at: float) -> None:
        """Keep a notify for the reply to client_seq, behind those kept already.

        expires_at: seconds on the clock of expire(). Raises BindRefused BIND_LIMIT over a bound.
        """
        client_seq = checks.u64(client_seq)
        before, waiting = checks.flag(before), BoundNotify(checks.octets(body), checks.seconds(expires_at), NO_TICKET)
        self._check_room(client_seq)
        self._bind(client_seq, before, waiting)

    def take_before(self, g: int) -> list[bytes]:
        """Take out what goes before the reply to g, in the order it was bound."""
        return self._take(self._before, checks.u64(g))

    def take_after(self, g: int) -> list[bytes]:
        """Take out what goes after the reply to g, in the order it was bound."""
        return self._take(self._after, checks.u64(g))

    def expire(self, now: float) -> int:
        """Drop the notifies whose expires_at is not after now, and return how many."""
        return len(self._expire(checks.seconds(now)))

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

    def _bind(self, client_seq: int, before: bool, waiting: BoundNotify) -> None:
        """Keep a notify for which there is room."""
        (self._before if before else self._after).setdefault(client_seq, []).append(waiting)
        self._len += 1
        self._size += len(waiting.body)

    def _waiting(self, client_seq: int) -> tuple[list[BoundNotify], list[BoundNotify]]:
        """Return what goes before and after the reply to client_seq."""
        return self._before.get(client_seq, []), self._after.get(client_seq, [])

    def _all(self) -> Iterator[tuple[int, bool, bytes, float, int]]:
        """All that waits, as fields of a ``BoundState``, in its order."""
        for client_seq in sorted({*self._before, *self._after}):
            for before, side in ((True, self._before), (False, self._after)):
                for waiting in side.get(client_seq, ()):
                    yield client_seq, before, *waiting

    def _expire(self, now: float) -> list[BoundNotify]:
        """Drop what expire() does, and return it."""
        # "not <=" and not ">": a time that is not a number is never reached.
        return self._keep(lambda waiting: not waiting.expires_at <= now)

    def _withdraw(self, ticket: int) -> int | None:
        """Drop the notify with that ticket, and return how many bytes it had; None where there is none."""
        dropped = self._keep(lambda waiting: waiting.ticket != ticket)
        return len(dropped[0].body) if dropped else None

    def _clear(self) -> None:
        """Drop everything."""
        self._before.clear()
        self._after.clear()
        self._len = self._size = 0

    def _take(self, side: dict[int, list[BoundNotify]], client_seq: int) -> list[bytes]:
        taken = side.pop(client_seq, [])
        self._forget(taken)
        return [waiting.body for waiting in taken]

    def _keep(self, wanted: Callable[[BoundNotify], bool]) -> list[BoundNotify]:
        """Keep what is wanted, and return the rest."""
        dropped: list[BoundNotify] = []
        for side in (self._before, self._after):
            for client_seq, kept in list(side.items()):
                dropped += [waiting for waiting in kept if not wanted(waiting)]
                side[client_seq] = [waiting for waiting in kept if wanted(waiting)]
                if not side[client_seq]:
                    del side[client_seq]
        self._forget(dropped)
        return dropped

    def _forget(self, dropped: list[BoundNotify]) -> None:
        self._len -= len(dropped)
        self._size -= sum(len(waiting.body) for waiting in dropped)
