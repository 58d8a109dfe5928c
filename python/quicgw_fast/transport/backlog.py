"""The bound on what all peers of a socket have not acknowledged: it is memory that no session's window counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quicgw_fast.sharing import FREE_TO, Holding, choose

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class Debtor(Protocol):
    """A connection whose peer has something to acknowledge."""

    noted: int
    """Bytes of it that are in the backlog's sum."""

    def give_up(self) -> None:
        """Close without waiting for what is not acknowledged; the peer may come back and resume."""


class Backlog:
    """Sums up what was written and not acknowledged; when it is too much, those with most are given up.

    An application that acknowledges what its QUIC has not (protocol §5 knows only the former) would otherwise have
    its window free and its bytes here, in every connection that it can open.
    """

    def __init__(self, loop: AbstractEventLoop, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.given_up = 0
        """Connections, since the start."""
        self._loop = loop
        self._debtors: set[Debtor] = set()
        self._relieving = False

    @property
    def most(self) -> int:
        """Bytes of the connection that has most."""
        return max((debtor.noted for debtor in self._debtors), default=0)

    def note(self, debtor: Debtor, pending: int) -> None:
        """Take what a connection has unacknowledged now; nothing of it, or its end, is 0."""
        if pending == debtor.noted:
            return
        self.used += pending - debtor.noted
        if not pending:
            self._debtors.discard(debtor)
        elif not debtor.noted:
            self._debtors.add(debtor)
        debtor.noted = pending
        if self.used > self.limit and not self._relieving:
            # Not now: this may be inside a step that hands messages to many connections.
            self._relieving = True
            self._loop.call_soon(self._relieve)

    def _relieve(self) -> None:
        """Give up those who have to go."""
        self._relieving = False
        if self.used <= self.limit:
            return
        holdings = ((debtor, Holding(debtor.noted, attached=True)) for debtor in self._debtors)
        for debtor in choose(holdings, self.used - int(self.limit * FREE_TO)):
            self.given_up += 1
            debtor.give_up()
