"""One QUIC connection with its one bidirectional stream, for either side."""

from __future__ import annotations

import asyncio
import itertools
import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from aioquic.quic.events import (
    ConnectionIdRetired,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.aioquic.outflow import Outflow
from quicgw_fast.transport.closing import ClosingPeriod
from quicgw_fast.transport.lifecycle import LinkAction, LinkEvent, LinkState, step
from quicgw_fast.transport.pressure import Signal
from quicgw_fast.transport.routes import Routes
from quicgw_fast.transport.termination import outcome
from quicgw_fast.transport.text import format_address, printable
from quicgw_fast.transport.timers import LazyTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.aioquic.owner import Owner
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.seam import ConnectionHandler
    from quicgw_fast.transport.termination import Termination

REASON_LIMIT = 256
"""Bytes of a reason phrase at most: the frame has to fit into a packet, in a handshake beside two others."""

_ids = itertools.count(1)


class End(NamedTuple):
    """How a connection ends, as its handler is told and as the closing packet says."""

    code: int
    reason: str
    by_peer: bool = False


class AioquicConnection:
    """A ``seam.Connection`` on aioquic's state machine."""

    __slots__ = (
        "__weakref__", "_core", "_discarded", "_end", "_endpoint", "_flush_deadline", "_handler",
        "_handshake_deadline", "_limits", "_outflow", "_owner", "_queued", "_routes", "_state", "_timer", "alpn",
        "departed", "id", "noted"
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
        self.departed = False
        """The peer has ended the connection; what it sent before is still handed over (see ``Link.departed``)."""
        self._endpoint = endpoint
        self._owner = owner
        self._limits: TransportLimits = endpoint.limits
        self._handler: ConnectionHandler | None = None
        self._queued = False
        self._state = LinkState.HANDSHAKE
        self._end = End(CloseCode.INTERNAL, "")
        """How it ends, from the moment that this is known."""
        self._handshake_deadline = endpoint.now() + self._limits.handshake_timeout
        self._flush_deadline = math.inf
        self._discarded: asyncio.Future[None] = endpoint.loop.create_future()
        self._timer = LazyTimer(endpoint.call_later, self._on_timer)
        self._routes = Routes(endpoint, self)
        for cid in first_cids:
            self._routes.add(cid)
        self._core = make_core(self._routes.add)
        self._outflow = Outflow(self._core, endpoint.limits)

    # For the application

    @property
    def peer(self) -> str:
        """The peer's address as ``host:port``; it changes when the client migrated and QUIC validated where to."""
        return format_address(self._core.validated_address())

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""
        return self._state is not LinkState.OPEN and self._state is not LinkState.HANDSHAKE

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
        if not self.closed and data:
            if self._outflow.write(data):
                self._touch()
            self._endpoint.backlog.note(self, self._outflow.pending)

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Close with an application error code; ``reason`` is the complete phrase of protocol §6.

        What was sent before goes out first: the closing packet waits until the peer has acknowledged it, at most
        ``linger`` seconds, and not at all without ``flush``. ``closed()`` is called in the loop's next turn.
        Idempotent.
        """
        if not self.closed:
            self._flush_deadline = self._endpoint.now() + (self._limits.linger if flush else 0.0)
            self._apply(LinkEvent.CLOSED, End(code, reason))
            self._touch()

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""
        await asyncio.shield(self._discarded)

    # For the endpoint and the owner

    @property
    def core(self) -> GatewayQuic:
        """The QUIC state machine, for the owner that started it."""
        return self._core

    def datagram(self, data: bytes, address: Any, now: float) -> None:
        """Take one datagram. A short path for plain STREAM and ACK packets belongs here."""
        core = self._core
        core.gw_received_unacked += len(data)
        try:
            core.receive_datagram(data, address, now)
        except Exception as error:  # the peer's bytes met a hole in the protocol stack
            self._broken(error)
            return
        if not self._queued:
            self._touch()

    def service(self, now: float) -> None:
        """Hand over what arrived, look at the clocks, send what is due."""
        if self._left():
            return
        try:
            self._read_events()
            self._queued = False
            self._look_after(now)
            if not self._left():
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
        self._apply(LinkEvent.ABORTED if tell_peer else LinkEvent.FORGOTTEN, End(code, reason))

    def give_up(self) -> None:
        """Close at once and keep nothing, as all peers together left too much unacknowledged."""
        if self.closed:
            self._flush_deadline = 0.0
        else:
            detail = "too much is unacknowledged, by all peers together and most by this one"
            end = End(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail))
            self._hang_up(LinkEvent.CLOSED, end, linger=0.0)
        self._core.forget_unacked()
        self._endpoint.backlog.note(self, self._outflow.pending)
        self._touch()

    def reset_by_peer(self) -> None:
        """Take a stateless reset: the peer has forgotten the connection (RFC 9000 §10.3)."""
        phrase = CloseCode.INTERNAL.phrase("the peer no longer knows this connection")
        self._apply(LinkEvent.FORGOTTEN, End(CloseCode.INTERNAL, phrase, by_peer=True))

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
        if chunks and not self.closed and self._handler is not None:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if data:
                self._handler.received(data)
        if over and not self.closed:
            end = End(CloseCode.NORMAL, CloseCode.NORMAL.phrase(over), by_peer=True)
            self._hang_up(LinkEvent.STREAM_ENDED, end, linger=self._limits.linger)
        if ended is not None:
            self._terminated(ended)

    def _other_event(self, event: QuicEvent) -> str:
        if isinstance(event, HandshakeCompleted):
            self.alpn = event.alpn_protocol or ""
            self._apply(LinkEvent.ESTABLISHED)
        elif isinstance(event, ConnectionIdRetired):
            self._routes.drop(event.connection_id)
        elif isinstance(event, StreamReset):
            return f"the peer reset its stream (code {event.error_code:#x})"
        elif isinstance(event, StopSendingReceived):
            return f"the peer stopped reading its stream (code {event.error_code:#x})"
        return ""

    def _terminated(self, ended: Termination) -> None:
        """Aioquic ended the connection: the peer's close, a fault, a time-out, or our own close."""
        code, reason = outcome(ended)
        event = LinkEvent.PEER_CLOSED if ended.by_peer else LinkEvent.QUIC_CLOSED
        self._apply(event, End(int(code), reason, ended.by_peer))

    def _left(self) -> bool:
        """Whether QUIC is done with, and at most the connection ids are still kept."""
        return self.closed and self._state is not LinkState.FLUSHING

    # Clocks

    def _look_after(self, now: float) -> None:
        if self._left():
            return
        core = self._core
        self._outflow.flush_early()
        self._endpoint.backlog.note(self, self._outflow.pending)
        if self._state is LinkState.FLUSHING:
            if now >= self._flush_deadline or core.unacked() == 0:
                self._apply(LinkEvent.FLUSHED)
            return
        self._react(self._outflow.look(now), now)
        if now >= self._handshake_deadline:
            # A server stays silent: the address may be forged.
            self.abort(
                CloseCode.INTERNAL,
                CloseCode.INTERNAL.phrase("the handshake took too long"),
                tell_peer=core.configuration.is_client,
            )

    def _react(self, signal: Signal, now: float) -> None:
        if signal is Signal.WRITABLE and self._handler is not None:
            self._handler.writable()
            if not self.closed:
                self._outflow.look(now)  # begins the clock of what was just written
        elif signal is Signal.STALLED:
            detail = f"nothing was read for {self._limits.stall_timeout:g} s"
            end = End(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail))
            self._hang_up(LinkEvent.CLOSED, end, linger=0.0)

    def _set_timer(self, now: float) -> None:
        at = min(self._handshake_deadline, self._flush_deadline, self._outflow.deadline)
        quic_at = self._core.get_timer()
        if quic_at is not None and quic_at < at:
            at = quic_at
        if at < math.inf:
            self._timer.set(at, now)

    def _on_timer(self) -> None:
        now = self._endpoint.now()
        try:
            core = self._core
            at = core.get_timer()
            if at is not None and at <= now:
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
        self._set_timer(now)

    # Its life (``lifecycle``)

    def _apply(self, event: LinkEvent, end: End | None = None) -> None:
        """Take one step of the life cycle; ``end`` is kept where it is one of the ends that count."""
        found = step(self._state, event)
        if end is not None and found.actions:
            self._end = end
        self._state = found.state
        for action in found.actions:
            self._act(action)

    def _act(self, action: LinkAction) -> None:
        match action:
            case LinkAction.MAKE_HANDLER:
                self._make_handler()
            case LinkAction.TELL:
                self._handshake_deadline = math.inf
                self._outflow.stop()
                self._owner.ended(self, self._end.code, printable(self._end.reason, REASON_LIMIT))
                self._tell_handler()
            case LinkAction.SEND_ONCE:
                for data, address in self._closing_packets():
                    self._endpoint.send(data, address)
            case LinkAction.SEND_CLOSE:
                self._send_close()
            case LinkAction.BEGIN_DRAINING:
                self._begin_period([], self._owner.draining_ptos)
            case LinkAction.DROP_IDS:
                self._timer.cancel()
                self._endpoint.backlog.note(self, 0)
                self._routes.drop_all()
            case LinkAction.RELEASE:
                self._owner.released(self)
                self._discarded.set_result(None)

    def _make_handler(self) -> None:
        self._handshake_deadline = math.inf
        self._handler = self._owner.established(self)
        if self.closed:  # the factory closed it: this handler is told as any other
            self._tell_handler()

    def _tell_handler(self) -> None:
        if self._handler is not None:
            # In the loop's next turn, so that closed() never runs inside a call of the application.
            self._endpoint.loop.call_soon(self._call_closed, self._end)

    def _call_closed(self, end: End) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        try:
            handler.closed(end.code, printable(end.reason, REASON_LIMIT), end.by_peer)
        except Exception as error:  # one handler's fault is not the loop's
            self._endpoint.report("connection handler failed", error, connection=self.id, call="closed")

    def _hang_up(self, event: LinkEvent, end: End, *, linger: float) -> None:
        """Close now, and flush for ``linger`` seconds at most."""
        now = self._endpoint.now()
        self._flush_deadline = now + linger
        self._apply(event, end)
        self._look_after(now)

    def _broken(self, error: Exception) -> None:
        """Log a fault in handling this connection, and close it with INTERNAL."""
        self._endpoint.report("connection failed", error, connection=self.id, peer=self.peer)
        phrase = CloseCode.INTERNAL.phrase("the connection could not be handled")
        self._apply(LinkEvent.BROKEN, End(CloseCode.INTERNAL, phrase))

    def _closing_packets(self) -> list[tuple[bytes, Any]]:
        """Make the closing packets now, whatever state QUIC is in; none when it has ended by itself or has no keys."""
        phrase = self._end.reason.encode()[:REASON_LIMIT].decode(errors="ignore")
        try:
            return self._core.closing_datagrams(int(self._end.code), phrase, self._endpoint.now())
        except Exception as error:  # the state is beyond repair: leave without a word
            self._endpoint.report("closing packet failed", error, connection=self.id)
            return []

    def _send_close(self) -> None:
        datagrams = self._closing_packets()
        if not datagrams:
            self._apply(LinkEvent.UNSAYABLE)
            return
        for data, address in datagrams:
            self._endpoint.send(data, address)
        self._begin_period(datagrams, self._owner.closing_ptos)

    def _begin_period(self, datagrams: list[tuple[bytes, Any]], ptos: float) -> None:
        """Pass the connection ids on until late packets have died out; nothing of QUIC is needed for that."""
        self._timer.cancel()
        self._core.forget_unacked()
        self._endpoint.backlog.note(self, 0)
        lasting = min(ptos * self._core.probe_timeout(), self._owner.longest_period)
        over = partial(self._apply, LinkEvent.PERIOD_OVER)
        ClosingPeriod(self._endpoint, self._routes.hand_over(), datagrams, lasting=lasting, on_done=over)
