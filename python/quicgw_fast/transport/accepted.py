"""The clients of a listener, whoever does QUIC: what is asked and counted of them, and how all are sent away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import Arrival, ConnectionRefusal, UnprovenAnswer
from quicgw_fast.transport.seam import ListenerCounters
from quicgw_fast.transport.termination import fault_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.ports import Gatekeeper
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.observer import Observer
    from quicgw_fast.transport.seam import Connection, ConnectionHandler, HandlerFactory
    from quicgw_fast.transport.termination import Termination

LAST_PERIOD = 0.25
"""Seconds that ``close`` goes on repeating closing packets to peers that still send."""


class AcceptedClients:
    """The part of a ``seam.Listener`` that is the same for every maker; their connections report to it."""

    def __init__(
        self,
        factory: HandlerFactory,
        limits: TransportLimits,
        gatekeeper: Gatekeeper,
        observer: Observer,
        now: Callable[[], float],
    ) -> None:
        """``now`` gives monotonic seconds."""
        self._counters = ListenerCounters()
        self._factory = factory
        self._limits = limits
        self._gatekeeper = gatekeeper
        self._observer = observer
        self._now = now
        self._accepting = True
        self._alive: set[Connection] = set()
        self._half_open: set[Connection] = set()
        self._open: set[Connection] = set()
        self._empty: asyncio.Future[None] | None = None

    @property
    def counters(self) -> ListenerCounters:
        """What happened at the door."""
        return self._counters

    @property
    def connections(self) -> int:
        """Established connections that are not closed."""
        return len(self._open)

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return len(self._half_open)

    @property
    def unacknowledged_limit(self) -> int:
        """Bytes that all peers together may leave unacknowledged."""
        return self._limits.backlog

    @property
    def high_water(self) -> int:
        """Bytes of one peer that are not acknowledged above which nothing more is given to it."""
        return self._limits.high_water

    def stop_accepting(self) -> None:
        """Refuse new connections from now on; established ones go on."""
        self._accepting = False

    # What connections report

    def established(self, connection: Connection, /) -> ConnectionHandler | None:
        """Count the connection and make its handler."""
        self._half_open.discard(connection)
        # It has shown by now that it gets what is sent to its address.
        refusal = self._gatekeeper.established(self._arrival(connection.peer, proven=True, now=self._now()))
        if refusal is not None:
            self._tell_refusal(connection.peer, refusal)
            connection.close(*refusal)
            return None
        self._counters.established += 1
        self._open.add(connection)
        return self._factory(connection)

    def ended(self, connection: Connection, termination: Termination | None, reason: str, /) -> None:
        """Stop counting the connection; one whose handshake is not complete has failed, unless we stop."""
        if connection in self._half_open and self._accepting:
            self._tell_failure(termination, connection.peer, reason)
        self._half_open.discard(connection)
        self._open.discard(connection)

    def released(self, connection: Connection, /) -> None:
        """Forget the connection."""
        self._alive.discard(connection)
        if self._empty is not None and not self._alive and not self._empty.done():
            self._empty.set_result(None)

    # For the maker

    def _begun(self, connection: Connection) -> None:
        """Count a handshake that is under way now."""
        self._alive.add(connection)
        self._half_open.add(connection)

    async def _send_away(self, code: int, reason: str) -> None:
        """Close every connection, and wait until the closes were sent, at most about 1.3 s."""
        for connection in list(self._alive):
            connection.close(code, reason or CloseCode(code).phrase())
        if self._alive:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=self._limits.linger + 2 * LAST_PERIOD)
        for connection in list(self._alive):
            connection.abort(code, reason)

    def _arrival(self, peer: str, *, proven: bool, now: float) -> Arrival:
        return Arrival(peer, proven, len(self._half_open), len(self._open), not self._accepting, now)

    def _tell_failure(self, termination: Termination | None, peer: str, reason: str) -> None:
        self._counters.failed += 1
        self._gatekeeper.failed(self._now() + self._limits.handshake_timeout)
        self._observer.handshake_failed(fault_of(termination), peer, reason)

    def _tell_refusal(self, peer: str, refusal: ConnectionRefusal) -> None:
        self._counters.refused += 1
        self._observer.connection_refused(peer, refusal.phrase)

    def _may_answer(self, now: float, *, retry: bool = False) -> bool:
        return self._gatekeeper.answer(UnprovenAnswer(retry, now)) is None
