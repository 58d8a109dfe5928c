"""One QUIC connection with its one bidirectional stream, for either side."""

from __future__ import annotations

import asyncio
import itertools
import math
from time import monotonic
from typing import TYPE_CHECKING, Any

from aioquic.quic.events import (
    ConnectionIdRetired,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from quicgw_fast.transport.aioquic_private import STREAM
from quicgw_fast.transport.closing import Farewell, outcome
from quicgw_fast.transport.pressure import Pressure, Signal
from quicgw_fast.transport.text import format_address, printable
from quicgw_fast.transport.timers import LazyTimer
from quicgw_fast.types import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.transport.aioquic_private import GatewayQuic, Termination
    from quicgw_fast.transport.endpoint import Endpoint
    from quicgw_fast.transport.handler import ConnectionHandler, Owner
    from quicgw_fast.transport.limits import TransportLimits

REASON_LIMIT = 256

_ids = itertools.count(1)


class Connection:
    """A connection, made by a listener or by ``dial``."""

    __slots__ = (
        "__weakref__",
        "_cids",
        "_core",
        "_deadline",
        "_early",
        "_endpoint",
        "_gone",
        "_goodbye",
        "_handler",
        "_left",
        "_limits",
        "_owner",
        "_pressure",
        "_queued",
        "_timer",
        "_waiters",
        "closed",
        "id",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        owner: Owner,
        make_core: Callable[[Callable[[bytes], None]], GatewayQuic],
        first_cids: Sequence[bytes] = (),
    ) -> None:
        self.id = next(_ids)
        self.closed = False
        self._endpoint = endpoint
        self._owner = owner
        self._limits: TransportLimits = endpoint.limits
        self._handler: ConnectionHandler | None = None
        self._cids: set[bytes] = set()
        self._queued = False
        self._pressure = Pressure(endpoint.limits)
        # Bytes given before the peer opened the stream: there is no stream yet that they could go on.
        self._early = bytearray()
        self._goodbye: tuple[int, str] | None = None
        self._deadline = monotonic() + self._limits.handshake_timeout
        self._timer = LazyTimer(endpoint.loop, self._on_timer)
        # Left: QUIC is done with, its connection ids belong to a farewell. Gone: that one is over too.
        self._left = False
        self._gone = False
        self._waiters: list[asyncio.Future[None]] = []
        for cid in first_cids:
            self._add_cid(cid)
        self._core = make_core(self._add_cid)

    # For the application

    @property
    def peer(self) -> str:
        """The peer's address as ``host:port``; it changes when the client migrated and QUIC validated where to."""
        return format_address(self._core.validated_address())

    @property
    def pending(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has not acknowledged yet."""
        return self._core.unacked() + len(self._early)

    def ready(self) -> bool:
        """Whether the peer may be sent more; False promises ``writable`` once it may again, unless it is closed."""
        if self.closed:
            return False
        if self.pending <= self._limits.high_water:
            return True
        self._pressure.over = True
        return False

    def send(self, data: bytes) -> None:
        """Queue bytes on the stream; they leave at the end of this burst or in the loop's next turn.

        Never blocks and never raises. The caller bounds ``pending``. Does nothing after the close.
        """
        if self.closed or not data:
            return
        if self._early:
            self._early += data
            return
        try:
            self._core.send_stream_data(STREAM, data)
        except ValueError:
            self._early += data
            return
        except RuntimeError:
            return  # the peer stopped the stream: the event that says so is about to end the connection
        self._touch()

    def close(self, code: int, reason: str = "") -> None:
        """Close with an application error code; ``reason`` is the complete phrase of contract §6.

        What was sent before goes out first: the closing packet waits until the peer has acknowledged it,
        at most ``linger`` seconds. ``closed()`` is called in the loop's next turn. Idempotent.
        """
        if not self.closed:
            self._goodbye = (code, reason)
            self._deadline = monotonic() + self._limits.linger
            self._finish(code, reason, by_peer=False)
            self._touch()

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""
        if not self._gone:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

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
        if self._left:
            return
        try:
            self._read_events()
            self._queued = False
            self._look_after(now)
            if not self._left:
                self._transmit(now)
        except Exception as error:  # nothing may get past its connection
            self._queued = False
            self._broken(error)

    def start(self, address: Any) -> None:
        """Begin a client's handshake with the server at ``address``."""
        self._core.connect(address, now=monotonic())
        self._touch()

    def abort(self, code: int, reason: str, *, tell_peer: bool = True) -> None:
        """Forget the connection at once, after one attempt to tell the peer."""
        self._finish(code, reason, by_peer=False)
        if tell_peer and not self._left:
            self._goodbye = (code, reason)
            for data, address in self._last_words():
                self._endpoint.send(data, address)
        self._release()

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
        if chunks and not self.closed and self._handler is not None:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            if data:
                self._handler.received(data)
        if over and not self.closed:
            self._hang_up(CloseCode.NORMAL, CloseCode.NORMAL.phrase(over), by_peer=True)
        ended = core.ended()
        if ended is not None:
            self._terminated(ended)

    def _other_event(self, event: QuicEvent) -> str:
        if isinstance(event, HandshakeCompleted):
            self._established()
        elif isinstance(event, ConnectionIdRetired):
            self._drop_cid(event.connection_id)
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
            self._tell(*(self._goodbye or (int(CloseCode.INTERNAL), "")), by_peer=False)

    def _terminated(self, ended: Termination) -> None:
        """Aioquic ended the connection: the peer's close, a fault, a time-out, or our own close."""
        code, reason = outcome(ended)
        self._finish(code, reason, by_peer=ended.by_peer)
        if ended.by_peer:
            self._leave([])

    # Clocks

    def _look_after(self, now: float) -> None:
        core = self._core
        if self.closed:
            if self._goodbye is not None and (now >= self._deadline or core.unacked() == 0):
                self._say_goodbye()
            return
        if self._early and core.has_stream():
            data, self._early = bytes(self._early), bytearray()
            core.send_stream_data(STREAM, data)
        pending = core.unacked()
        if pending > self._limits.high_water or self._pressure.over:
            self._react(self._pressure.look(pending, core.progress(), now))
        if now >= self._deadline and not core.established():
            # A server stays silent: the address may be forged.
            self.abort(
                CloseCode.INTERNAL,
                CloseCode.INTERNAL.phrase("the handshake took too long"),
                tell_peer=core.configuration.is_client,
            )

    def _react(self, signal: Signal) -> None:
        if signal is Signal.WRITABLE and self._handler is not None:
            self._handler.writable()
        elif signal is Signal.STALLED:
            detail = f"nothing was read for {self._limits.stall_timeout:g} s"
            self._hang_up(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail), by_peer=False)

    def _set_timer(self, now: float) -> None:
        at = min(self._deadline, self._pressure.deadline)
        quic_at = self._core.get_timer()
        if quic_at is not None and quic_at < at:
            at = quic_at
        if at < math.inf:
            self._timer.set(at, now)

    def _on_timer(self) -> None:
        now = monotonic()
        try:
            at = self._core.get_timer()
            if at is not None and at <= now:
                self._core.handle_timer(now)
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
            self._leave(self._last_words())
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
        self._pressure.deadline = math.inf
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
        self._goodbye = (code, reason)
        self._deadline = monotonic() + (self._limits.linger if by_peer else 0.0)
        self._finish(code, reason, by_peer=by_peer)
        self._look_after(monotonic())

    def _say_goodbye(self) -> None:
        if self._goodbye is not None:
            code, reason = self._goodbye
            self._goodbye = None
            # Cut by bytes: the frame has to fit into a packet, in a handshake beside two others.
            phrase = reason.encode()[:REASON_LIMIT].decode(errors="ignore")
            self._core.close(error_code=int(code), reason_phrase=phrase)

    def _broken(self, error: Exception) -> None:
        """Log a fault in handling this connection, and close it with INTERNAL."""
        self._endpoint.report("connection %d from %s failed", self.id, self.peer, error=error)
        phrase = CloseCode.INTERNAL.phrase("the connection could not be handled")
        self._finish(CloseCode.INTERNAL, phrase, by_peer=False)
        self._goodbye = (CloseCode.INTERNAL, phrase)
        self._leave(self._last_words())

    def _last_words(self) -> list[tuple[bytes, Any]]:
        """Make the closing packets now, whatever state the connection is in."""
        try:
            self._say_goodbye()
            return self._core.datagrams_to_send(monotonic()) if self._core.can_farewell() else []
        except Exception as error:  # the state is beyond repair: leave without a word
            self._endpoint.report("connection %d could not be closed properly", self.id, error=error)
            return []

    def _leave(self, datagrams: list[tuple[bytes, Any]]) -> None:
        """Send the close, if there is one, and pass the connection ids on to a farewell."""
        if self._left:
            return
        endpoint = self._endpoint
        for data, address in datagrams:
            endpoint.send(data, address)
        cids, self._cids = self._cids, set()
        self._stop()
        pto = self._core.probe_timeout()
        ptos = self._owner.closing_ptos if datagrams else self._owner.draining_ptos
        lasting = min(ptos * pto, self._owner.longest_farewell)
        Farewell(endpoint, cids, datagrams, lasting=lasting, on_done=self._disappear)

    def _release(self) -> None:
        """Drop everything at once."""
        for cid in list(self._cids):
            self._drop_cid(cid)
        if not self._left:
            self._stop()
            self._disappear()

    def _stop(self) -> None:
        self._left = True
        self._timer.cancel()

    def _disappear(self) -> None:
        self._gone = True
        self._owner.released(self)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def _add_cid(self, cid: bytes) -> None:
        self._cids.add(cid)
        self._endpoint.receivers[cid] = self

    def _drop_cid(self, cid: bytes) -> None:
        self._cids.discard(cid)
        if self._endpoint.receivers.get(cid) is self:
            del self._endpoint.receivers[cid]
