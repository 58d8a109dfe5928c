"""One QUIC connection with its one bidirectional stream, for either side."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Protocol

from aioquic.quic.events import (
    ConnectionIdRetired,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.aioquic.departure import REASON_LIMIT, Departure
from quicgw_fast.transport.aioquic.outflow import Outflow
from quicgw_fast.transport.pressure import Signal
from quicgw_fast.transport.routes import Routes
from quicgw_fast.transport.termination import outcome
from quicgw_fast.transport.text import format_address, printable
from quicgw_fast.transport.timers import LazyTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.transport.aioquic.core import GatewayQuic
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.seam import ConnectionHandler
    from quicgw_fast.transport.termination import Termination

_ids = itertools.count(1)


class Owner(Protocol):
    """The listener or dialer behind a connection."""

    closing_ptos: float
    """How many PTOs the closing period lasts; a server's SHOULD be 3 (RFC 9000 §10.2)."""

    draining_ptos: float
    """The same for the draining period."""

    longest_farewell: float
    """Seconds that either period lasts at most."""

    def established(self, connection: AioquicConnection, /) -> ConnectionHandler | None:
        """Give the handler; None when the owner has closed the connection instead."""

    def ended(self, connection: AioquicConnection, code: int, reason: str, /) -> None:
        """The connection is closed for its handler; it may still linger or farewell."""

    def released(self, connection: AioquicConnection, /) -> None:
        """Nothing of the connection is left in the endpoint."""


class AioquicConnection:
    """A ``seam.Connection`` on aioquic's state machine."""

    __slots__ = (
        "__weakref__",
        "_core",
        "_deadline",
        "_departure",
        "_endpoint",
        "_handler",
        "_limits",
        "_outflow",
        "_owner",
        "_queued",
        "_routes",
        "_timer",
        "alpn",
        "closed",
        "departed",
        "id",
        "noted",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        owner: Owner,
        make_core: Callable[[Callable[[bytes], None]], GatewayQuic],
        first_cids: Sequence[bytes] = (),
    ) -> None:
        self.id = next(_ids)
        self.alpn = ""
        self.closed = False
        self.noted = 0
        self.departed = False
        """The peer has ended the connection; what it sent before is still handed over (see ``Link.departed``)."""
        self._endpoint = endpoint
        self._owner = owner
        self._limits: TransportLimits = endpoint.limits
        self._handler: ConnectionHandler | None = None
        self._queued = False
        self._deadline = endpoint.clock() + self._limits.handshake_timeout
        self._timer = LazyTimer(endpoint.loop, self._on_timer)
        self._routes = Routes(endpoint, self)
        for cid in first_cids:
            self._routes.add(cid)
        self._core = make_core(self._routes.add)
        self._outflow = Outflow(self._core, endpoint.limits)
        self._departure = Departure(endpoint, owner, self._core, self._routes, self._released)

    # For the application

    @property
    def peer(self) -> str:
        """The peer's address as ``host:port``; it changes when the client migrated and QUIC validated where to."""
        return format_address(self._core.validated_address())

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
            self._departure.words = (code, reason)
            self._deadline = self._endpoint.clock() + (self._limits.linger if flush else 0.0)
            self._finish(code, reason, by_peer=False)
            self._touch()

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""
        await self._departure.wait()

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
        if self._departure.left:
            return
        try:
            self._read_events()
            self._queued = False
            self._look_after(now)
            if not self._departure.left:
                self._transmit(now)
        except Exception as error:  # nothing may get past its connection
            self._queued = False
            self._broken(error)

    def start(self, address: Any) -> None:
        """Begin a client's handshake with the server at ``address``."""
        self._core.connect(address, now=self._endpoint.clock())
        self._touch()

    def abort(self, code: int, reason: str, *, tell_peer: bool = True) -> None:
        """Forget the connection at once, after one attempt to tell the peer."""
        self._finish(code, reason, by_peer=False)
        if tell_peer and not self._departure.left:
            self._departure.words = (code, reason)
            for data, address in self._departure.last_words():
                self._endpoint.send(data, address)
        self._release()

    def give_up(self) -> None:
        """Close at once and keep nothing, as all peers together left too much unacknowledged."""
        if self.closed:
            self._deadline = 0.0
        else:
            detail = "too much is unacknowledged, by all peers together and most by this one"
            self._hang_up(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail), by_peer=False)
        self._core.forget_unacked()
        self._endpoint.backlog.note(self, self._outflow.pending)
        self._touch()

    def reset_by_peer(self) -> None:
        """Take a stateless reset: the peer has forgotten the connection (RFC 9000 §10.3)."""
        self._finish(
            CloseCode.INTERNAL,
            CloseCode.INTERNAL.phrase("the peer no longer knows this connection"),
            by_peer=True,
        )
        self._release()

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
            self._hang_up(CloseCode.NORMAL, CloseCode.NORMAL.phrase(over), by_peer=True)
        if ended is not None:
            self._terminated(ended)

    def _other_event(self, event: QuicEvent) -> str:
        if isinstance(event, HandshakeCompleted):
            self.alpn = event.alpn_protocol or ""
            self._established()
        elif isinstance(event, ConnectionIdRetired):
            self._routes.drop(event.connection_id)
        elif isinstance(event, StreamReset):
            return f"the peer reset its stream (code {event.error_code:#x})"
        elif isinstance(event, StopSendingReceived):
            return f"the peer stopped reading its stream (code {event.error_code:#x})"
        return ""

    def _established(self) -> None:
        if self.closed:
            return
        self._deadline = math.inf
        handler = self._owner.established(self)
        if handler is None:
            return
        self._handler = handler
        if self.closed:  # the factory closed it: this handler is told as any other
            self._tell(*(self._departure.words or (int(CloseCode.INTERNAL), "")), by_peer=False)

    def _terminated(self, ended: Termination) -> None:
        """Aioquic ended the connection: the peer's close, a fault, a time-out, or our own close."""
        code, reason = outcome(ended)
        self._finish(code, reason, by_peer=ended.by_peer)
        if ended.by_peer:
            self._leave([])

    # Clocks

    def _look_after(self, now: float) -> None:
        core = self._core
        self._outflow.flush_early()
        self._endpoint.backlog.note(self, self._outflow.pending)
        if self.closed:
            if self._departure.words is not None and (now >= self._deadline or core.unacked() == 0):
                self._departure.say_goodbye()
            return
        self._react(self._outflow.look(now), now)
        if now >= self._deadline and not core.established():
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
            self._hang_up(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail), by_peer=False)

    def _set_timer(self, now: float) -> None:
        at = min(self._deadline, self._outflow.deadline)
        quic_at = self._core.get_timer()
        if quic_at is not None and quic_at < at:
            at = quic_at
        if at < math.inf:
            self._timer.set(at, now)

    def _on_timer(self) -> None:
        now = self._endpoint.clock()
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
        if core.ended() is not None:
            self._leave(self._departure.last_words())
            return
        if core.has_output(now):
            send = self._endpoint.send
            for data, address in core.datagrams_to_send(now):
                send(data, address)
        core.drop_idle_pacing(now)
        self._set_timer(now)

    # The end

    def _finish(self, code: int, reason: str, *, by_peer: bool) -> None:
        """Close for the application; what the wire still needs goes on."""
        if self.closed:
            return
        self.closed = True
        self._outflow.stop()
        reason = printable(reason, REASON_LIMIT)
        self._owner.ended(self, int(code), reason)
        if self._handler is not None:
            self._tell(int(code), reason, by_peer=by_peer)

    def _tell(self, code: int, reason: str, *, by_peer: bool) -> None:
        # In the loop's next turn, so that closed() never runs inside a call of the application.
        self._endpoint.loop.call_soon(self._call_closed, code, reason, by_peer)

    def _call_closed(self, code: int, reason: str, by_peer: bool) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        try:
            handler.closed(code, reason, by_peer)
        except Exception as error:  # one handler's fault is not the loop's
            self._endpoint.report("connection %d: closed() failed", self.id, error=error)

    def _hang_up(self, code: CloseCode, reason: str, *, by_peer: bool) -> None:
        """Close now, without waiting for what is unacknowledged unless the peer is the one who ended it."""
        self._departure.words = (code, reason)
        self._deadline = self._endpoint.clock() + (self._limits.linger if by_peer else 0.0)
        self._finish(code, reason, by_peer=by_peer)
        self._look_after(self._endpoint.clock())

    def _broken(self, error: Exception) -> None:
        """Log a fault in handling this connection, and close it with INTERNAL."""
        self._endpoint.report("connection %d from %s failed", self.id, self.peer, error=error)
        phrase = CloseCode.INTERNAL.phrase("the connection could not be handled")
        self._finish(CloseCode.INTERNAL, phrase, by_peer=False)
        self._departure.words = (CloseCode.INTERNAL, phrase)
        self._leave(self._departure.last_words())

    def _leave(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self._timer.cancel()
        self._core.forget_unacked()  # its farewell lasts longer than anybody needs that
        self._endpoint.backlog.note(self, 0)
        self._departure.leave(datagrams)

    def _release(self) -> None:
        self._timer.cancel()
        self._endpoint.backlog.note(self, 0)
        self._departure.release()

    def _released(self) -> None:
        self._owner.released(self)
