"""The life of a connection on aioquic: ``LinkLife`` keeps its state, and does what each step of the table names.

The table (``transport.lifecycle``) says what may happen and what follows from it; this says what that is. Towards the
application: its handler is made when the handshake is complete, and told of the end in the loop's next turn, so
that ``closed`` never runs inside a call of its own. Towards the network: the closing packet is built while QUIC still
can, and the connection ids go on to a closing or draining period, for which nothing of QUIC is needed any more.

A close that waits for what was sent before is FLUSHING until its deadline; ``look`` finds out when that is over, and
when a handshake has taken too long. Whoever drives the connection calls it with the time.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.closing import ClosingPeriod
from quicgw_fast.transport.lifecycle import LIVE, LinkAction, LinkEvent, LinkState, step
from quicgw_fast.transport.termination import End
from quicgw_fast.transport.text import printable

if TYPE_CHECKING:
    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.aioquic.outflow import Outflow
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.issued_ids import IssuedIds
    from quicgw_fast.transport.seam import Connection, ConnectionHandler
    from quicgw_fast.transport.termination import Termination
    from quicgw_fast.transport.timers import LazyTimer

REASON_LIMIT = 256
"""Bytes of a reason phrase at most: the frame has to fit into a packet, in a handshake beside two others."""


class Owner(Protocol):
    """The listener or dialer behind a connection, which is told how it goes."""

    closing_ptos: float
    """How many PTOs the closing period lasts; a server's SHOULD be 3 (RFC 9000 §10.2)."""

    draining_ptos: float
    """The same for the draining period."""

    longest_period: float
    """Seconds that either period lasts at most."""

    def established(self, connection: Connection, /) -> ConnectionHandler | None:
        """Give the handler; None when the owner has closed the connection instead."""

    def ended(self, connection: Connection, termination: Termination | None, reason: str, /) -> None:
        """The connection is closed for its handler; it may still flush, or be in its closing or draining period.

        ``termination`` is how QUIC ended it; None where it was closed or given up on this side. ``reason`` is safe to
        log.
        """

    def released(self, connection: Connection, /) -> None:
        """Nothing of the connection is left in the endpoint."""


class LinkLife:
    """Where a connection is in its life cycle, and what that means for its handler, its owner and its endpoint."""

    __slots__ = (
        "_cids",
        "_connection",
        "_core",
        "_discarded",
        "_end",
        "_endpoint",
        "_outflow",
        "_owner",
        "_timer",
        "flush_deadline",
        "handler",
        "handshake_deadline",
        "state"
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        core: GatewayQuic,
        outflow: Outflow,
        *,
        owner: Owner,
        endpoint: Endpoint,
        cids: IssuedIds,
        timer: LazyTimer,
    ) -> None:
        self.state = LinkState.HANDSHAKE
        self.handler: ConnectionHandler | None = None
        """Who is told what happens, from the end of the handshake until it was told of the connection's end."""
        self.handshake_deadline = endpoint.now() + endpoint.limits.handshake_timeout
        """When a handshake has taken too long; infinite once it is complete."""
        self.flush_deadline = math.inf
        """Until when a close waits for what was sent before it to be acknowledged."""
        self._end = End(CloseCode.INTERNAL, "")
        """How it ends, from the moment that this is known."""
        self._connection = connection
        self._core = core
        self._outflow = outflow
        self._owner = owner
        self._endpoint = endpoint
        self._cids = cids
        self._timer = timer
        self._discarded: asyncio.Future[None] = endpoint.loop.create_future()

    async def wait_discarded(self) -> None:
        """Wait until nothing of the connection is left in the endpoint."""
        await asyncio.shield(self._discarded)

    def apply(self, event: LinkEvent, end: End | None = None) -> None:
        """Take the step of ``event``; ``end`` is kept where it is one of the ends that count."""
        found = step(self.state, event)
        if end is not None and found.actions:
            self._end = end
        self.state = found.state
        for action in found.actions:
            self._act(action)

    def flush(self, event: LinkEvent, end: End, linger: float) -> None:
        """Close, and let what was sent before go out first, for ``linger`` seconds at most."""
        self.flush_deadline = self._endpoint.now() + linger
        self.apply(event, end)

    def look(self, now: float) -> None:
        """See whether the flush is over, or the handshake has taken too long."""
        if self.state is LinkState.FLUSHING:
            if now >= self.flush_deadline or self._core.unacked() == 0:
                self.apply(LinkEvent.FLUSHED)
        elif now >= self.handshake_deadline:
            # A server stays silent: the address may be forged.
            event = LinkEvent.ABORTED if self._core.configuration.is_client else LinkEvent.FORGOTTEN
            self.apply(event, End(CloseCode.INTERNAL, CloseCode.INTERNAL.phrase("the handshake took too long")))

    def _act(self, action: LinkAction) -> None:
        match action:
            case LinkAction.MAKE_HANDLER:
                self._make_handler()
            case LinkAction.TELL:
                self.handshake_deadline = math.inf
                self._outflow.stop()
                self._owner.ended(self._connection, self._core.ended(), printable(self._end.reason, REASON_LIMIT))
                self._tell_handler()
            case LinkAction.SEND_ONCE:
                self._send(self._closing_packets())
            case LinkAction.SEND_CLOSE:
                self._send_close()
            case LinkAction.BEGIN_DRAINING:
                self._begin_period([], self._owner.draining_ptos)
            case LinkAction.DROP_IDS:
                self._let_go()
                self._cids.drop_all()
            case LinkAction.RELEASE:
                self._owner.released(self._connection)
                self._discarded.set_result(None)

    # Towards the application

    def _make_handler(self) -> None:
        self.handshake_deadline = math.inf
        self.handler = self._owner.established(self._connection)
        if self.state not in LIVE:  # the factory closed it: this handler is told as any other
            self._tell_handler()

    def _tell_handler(self) -> None:
        if self.handler is not None:
            self._endpoint.loop.call_soon(self._call_closed, self._end)

    def _call_closed(self, end: End) -> None:
        handler, self.handler = self.handler, None
        if handler is None:
            return
        try:
            handler.closed(end.code, printable(end.reason, REASON_LIMIT), end.by_peer)
        except Exception as error:  # one handler's fault is not the loop's
            about = {"connection": self._connection.id, "peer": self._connection.peer}
            self._endpoint.report("connection handler failed", error, **about, call="closed")

    # Towards the network

    def _send_close(self) -> None:
        datagrams = self._closing_packets()
        if not datagrams:
            self.apply(LinkEvent.UNSAYABLE)
            return
        self._send(datagrams)
        self._begin_period(datagrams, self._owner.closing_ptos)

    def _closing_packets(self) -> list[tuple[bytes, Any]]:
        """Make the closing packets now, whatever state QUIC is in; none when it has ended by itself or has no keys."""
        phrase = self._end.reason.encode()[:REASON_LIMIT].decode(errors="ignore")
        try:
            return self._core.closing_datagrams(int(self._end.code), phrase, self._endpoint.now())
        except Exception as error:  # the state is beyond repair: leave without a word
            about = {"connection": self._connection.id, "peer": self._connection.peer}
            self._endpoint.report("closing packet failed", error, **about)
            return []

    def _send(self, datagrams: list[tuple[bytes, Any]]) -> None:
        for data, address in datagrams:
            self._endpoint.send(data, address)

    def _begin_period(self, datagrams: list[tuple[bytes, Any]], ptos: float) -> None:
        """Pass the connection ids on until late packets have died out."""
        self._let_go()
        lasting = min(ptos * self._core.probe_timeout(), self._owner.longest_period)
        over = partial(self.apply, LinkEvent.PERIOD_OVER)
        ClosingPeriod(self._endpoint, self._cids.hand_over(), datagrams, lasting=lasting, on_done=over)

    def _let_go(self) -> None:
        """Have nothing sent again, and no clock of QUIC looked at."""
        self._timer.cancel()
        self._outflow.drop()
        self._endpoint.loop.call_soon(self._core.dismantle)  # who ends it may be in the middle of it
