"""One QUIC connection with its one bidirectional stream, for either side.

It drives aioquic's state machine (``core``) between the endpoint and the application. Datagrams go in as they come;
at the end of the burst the endpoint has the connection serviced, and that is one round: hand over what arrived, look
at the clocks, send what is due. A timer that runs out makes a round too. What is written goes out by the same round,
so that one packet carries the answers to several requests.

Beside it stand ``Outflow`` (what goes out on the stream, and how the peer takes it) and ``LinkLife`` (its state, its
handler and its end). The state alone says what still happens: a round of a connection that has left does nothing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from aioquic.quic.events import (
    ConnectionIdRetired,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.aioquic.life import LinkLife, Owner
from quicgw_fast.transport.aioquic.outflow import Outflow
from quicgw_fast.transport.issued_ids import IssuedIds
from quicgw_fast.transport.lifecycle import LEFT, LIVE, LinkEvent
from quicgw_fast.transport.pressure import Signal
from quicgw_fast.transport.termination import End, end_of
from quicgw_fast.transport.text import format_address
from quicgw_fast.transport.timers import LazyTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.termination import Termination

_ids = itertools.count(1)


class AioquicConnection:
    """A ``seam.Connection`` on aioquic's state machine."""

    __slots__ = (
        "__weakref__",
        "_cids",
        "_core",
        "_endpoint",
        "_life",
        "_limits",
        "_outflow",
        "_queued",
        "_timer",
        "alpn",
        "departed",
        "id",
        "newcomer",
        "noted"
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        owner: Owner,
        make_core: Callable[[Callable[[bytes], None]], GatewayQuic],
        first_cids: Sequence[bytes] = (),
    ) -> None:
        self.id = next(_ids)
        self.alpn = ""
        self.noted = 0
        """Bytes of it that are in the backlog's sum."""
        self.newcomer = True
        """It has not moved enough yet to be preferred to those that only begin."""
        self.departed = False
        """The peer has ended the connection; what it sent before is still handed over (see ``Link.departed``)."""
        self._endpoint = endpoint
        self._limits: TransportLimits = endpoint.limits
        self._queued = False
        """Whether the endpoint is going to have it serviced."""
        self._timer = LazyTimer(endpoint.call_later, self._on_timer)
        self._cids = IssuedIds(endpoint, self)
        for cid in first_cids:
            self._cids.add(cid)
        self._core = make_core(self._cids.add)
        self._outflow = Outflow(self._core, endpoint.limits, endpoint.backlog, self)
        self._life = LinkLife(
            self, self._core, self._outflow, owner=owner, endpoint=endpoint, cids=self._cids, timer=self._timer
        )

    # For the application

    @property
    def peer(self) -> str:
        """The peer's address as ``host:port``; it changes when the client migrated and QUIC validated where to."""
        return format_address(self._core.validated_address())

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""
        return self._life.state not in LIVE

    @property
    def pending(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has not acknowledged yet."""
        return self._outflow.pending

    @property
    def progress(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has acknowledged without a gap, since the beginning."""
        return self._outflow.progress

    def ready(self) -> bool:
        """Whether the peer may be sent more; False promises ``writable`` once it may again, unless it is closed."""
        return not self.closed and self._outflow.ready()

    def send(self, data: bytes) -> None:
        """Queue bytes on the stream; they leave at the end of this burst or in the loop's next turn.

        Never blocks and never raises. The caller bounds ``pending``. Does nothing after the close.
        """
        if not self.closed and data and self._outflow.write(data):
            self._touch()

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Close with an application error code; ``reason`` is the complete phrase of protocol §6.

        What was sent before goes out first: the closing packet waits until the peer has acknowledged it, at most
        ``linger`` seconds, and not at all without ``flush``. ``closed()`` is called in the loop's next turn.
        Idempotent.
        """
        if not self.closed:
            self._life.flush(LinkEvent.CLOSED, End(code, reason), self._limits.linger if flush else 0.0)
            self._touch()

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""
        await self._life.wait_discarded()

    # For the endpoint and the owner

    @property
    def core(self) -> GatewayQuic:
        """The QUIC state machine, for the owner that started it."""
        return self._core

    def datagram(self, data: bytes, address: Any, now: float) -> None:
        """Take one datagram that names one of its connection ids."""
        core = self._core
        core.gw_received_unacked += len(data)
        unread = core.gw_unread
        try:
            core.receive_datagram(data, address, now)
        except Exception as error:  # the peer's bytes met a hole in the protocol stack
            self._broken(error)
            return
        if self.newcomer and not core.is_newcomer():
            self.newcomer = False
        if not self._queued and core.gw_unread == unread:  # of what was not read nothing follows
            self._touch()

    def service(self, now: float) -> None:
        """Hand over what arrived, look at the clocks, send what is due."""
        if self._life.state in LEFT:
            return
        try:
            self._read_events()
            self._queued = False
            self._look_after(now)
            if self._life.state not in LEFT:
                self._transmit(now)
        except Exception as error:  # nothing may get past its connection
            self._queued = False
            self._broken(error)

    def start(self, address: Any) -> None:
        """Begin a client's handshake with the server at ``address``."""
        self._core.connect(address, now=self._endpoint.now())
        self._touch()

    def abort(self, code: int, reason: str, *, tell_peer: bool = True) -> None:
        """Forget the connection at once, after one attempt to tell the peer."""
        self._life.apply(LinkEvent.ABORTED if tell_peer else LinkEvent.FORGOTTEN, End(code, reason))

    def give_up(self) -> None:
        """Close at once and keep nothing, as all peers together left too much unacknowledged."""
        if self.closed:
            self._life.flush_deadline = 0.0
        else:
            detail = "too much is unacknowledged, by all peers together and most by this one"
            end = End(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail))
            self._hang_up(LinkEvent.CLOSED, end, linger=0.0)
        self._outflow.drop()
        self._touch()

    def reset_by_peer(self) -> None:
        """Take a stateless reset: the peer has forgotten the connection (RFC 9000 §10.3)."""
        phrase = CloseCode.INTERNAL.phrase("the peer no longer knows this connection")
        self._life.apply(LinkEvent.FORGOTTEN, End(CloseCode.INTERNAL, phrase, by_peer=True))

    # What arrived

    def _read_events(self) -> None:
        core = self._core
        chunks: list[bytes] = []
        over = ""
        while (event := core.next_event()) is not None:
            if type(event) is StreamDataReceived:
                chunks.append(event.data)
                if event.end_stream:
                    over = "the peer ended its stream"
            else:
                over = self._other_event(event) or over
        ended = core.ended()
        self.departed = bool(over) or ended is not None
        if chunks and not self.closed and (handler := self._life.handler) is not None:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if data:
                handler.received(data)
        if over and not self.closed:
            end = End(CloseCode.NORMAL, CloseCode.NORMAL.phrase(over), by_peer=True)
            self._hang_up(LinkEvent.STREAM_ENDED, end, linger=self._limits.linger)
        if ended is not None:
            self._terminated(ended)

    def _other_event(self, event: QuicEvent) -> str:
        if isinstance(event, HandshakeCompleted):
            self.alpn = event.alpn_protocol or ""
            self._life.apply(LinkEvent.ESTABLISHED)
        elif isinstance(event, ConnectionIdRetired):
            self._cids.drop(event.connection_id)
        elif isinstance(event, StreamReset):
            return f"the peer reset its stream (code {event.error_code:#x})"
        elif isinstance(event, StopSendingReceived):
            return f"the peer stopped reading its stream (code {event.error_code:#x})"
        return ""

    def _terminated(self, ended: Termination) -> None:
        """Aioquic ended the connection: the peer's close, a fault, a time-out, or our own close."""
        self._life.apply(LinkEvent.PEER_CLOSED if ended.by_peer else LinkEvent.QUIC_CLOSED, end_of(ended))

    # Clocks

    def _look_after(self, now: float) -> None:
        if self._life.state in LEFT:
            return
        self._outflow.update()
        self._life.look(now)
        if not self.closed and (signal := self._outflow.look(now)) is not Signal.NONE:
            self._react(signal, now)

    def _react(self, signal: Signal, now: float) -> None:
        if signal is Signal.WRITABLE and (handler := self._life.handler) is not None:
            handler.writable()
            if not self.closed:
                self._outflow.look(now)  # begins the clock of what was just written
        elif signal is Signal.STALLED:
            detail = f"nothing was read for {self._limits.stall_timeout:g} s"
            end = End(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail))
            self._hang_up(LinkEvent.CLOSED, end, linger=0.0)

    def _hang_up(self, event: LinkEvent, end: End, *, linger: float) -> None:
        """Close now, and flush for ``linger`` seconds at most."""
        self._life.flush(event, end, linger)
        self._look_after(self._endpoint.now())

    def _next_deadline(self) -> float:
        """Return when something is due if nothing happens until then; infinite before a first packet."""
        life, at = self._life, self._outflow.deadline
        if life.handshake_deadline < at:
            at = life.handshake_deadline
        if life.flush_deadline < at:
            at = life.flush_deadline
        quic_at = self._core.get_timer()
        return quic_at if quic_at is not None and quic_at < at else at

    def _on_timer(self) -> None:
        now = self._endpoint.now()
        try:
            core = self._core
            if (at := self._next_deadline()) > now:
                # What it was set for has been put off since, as nearly always.
                self._timer.set(at, now)
                return
            if (quic_at := core.get_timer()) is not None and quic_at <= now:
                if core.probe_due(now) and self._endpoint.unread():
                    core.hold_probe(now)
                    core.get_timer()
                core.handle_timer(now)
        except Exception as error:  # state that the peer brought about
            self._broken(error)
            return
        self.service(now)

    # Sending

    def _touch(self) -> None:
        if not self._queued:
            self._queued = True
            self._endpoint.touch(self)

    def _transmit(self, now: float) -> None:
        core = self._core
        core.plan_ack(now)
        if (ended := core.ended()) is not None:
            self._terminated(ended)
            return
        if core.has_output(now):
            send = self._endpoint.send
            for data, address in core.datagrams_to_send(now):
                send(data, address)
            core.drop_idle_pacing(now)
        self._timer.set(self._next_deadline(), now)

    def _broken(self, error: Exception) -> None:
        """Log a fault in handling this connection, and close it with INTERNAL."""
        self._endpoint.report("connection failed", error, connection=self.id, peer=self.peer)
        phrase = CloseCode.INTERNAL.phrase("the connection could not be handled")
        self._life.apply(LinkEvent.BROKEN, End(CloseCode.INTERNAL, phrase))
