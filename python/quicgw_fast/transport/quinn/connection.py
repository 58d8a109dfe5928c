"""One QUIC connection with its one bidirectional stream: what of it is the application's, over quinn's.

Its life is the table of ``transport.lifecycle``, as that of any maker's connections. quinn keeps the closing and the
draining period by itself; how long they last here is bounded by the owner.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.codes import CloseCode
from quicgw_fast.transport.lifecycle import LIVE, LinkAction, LinkEvent, LinkState, step
from quicgw_fast.transport.termination import End, Finding, Termination, end_of
from quicgw_fast.transport.text import format_address, printable

if TYPE_CHECKING:
    from quicgw_fast.transport.quinn.driver import Driver
    from quicgw_fast.transport.seam import Connection, ConnectionHandler

REASON_LIMIT = 256
"""Bytes of a reason phrase at most."""
ANOTHER_STREAM = 3
"""How a peer breaks the rule of the one stream, among the ways to end it."""
LOST_BY_PEER, FAULT_BY_PEER, _FAULT, RESET, IDLE = range(5)
"""How QUIC ended a connection (``rust/src/transport.rs``); what is above is a fault found with a certificate."""
FINDINGS = {
    IDLE: Finding.NOTHING_HEARD,
    5: Finding.EXPIRED,
    6: Finding.NOT_YET_VALID,
    7: Finding.ANOTHER_NAME,
    8: Finding.UNKNOWN_AUTHORITY,
}

_NOT_KNOWN = End(CloseCode.INTERNAL, "")
_ids = itertools.count(1)
_log = logging.getLogger("quicgw.transport")


class QuinnOwner(Protocol):
    """The listener or dialer behind a connection, which is told how it goes."""

    @property
    def closing_period(self) -> float | None:
        """Seconds that the closing period lasts at most; None leaves it to QUIC (RFC 9000 §10.2)."""

    @property
    def draining_period(self) -> float | None:
        """The same of the draining period."""

    def established(self, connection: Connection, /) -> ConnectionHandler | None:
        """Give the handler; None when the owner has closed the connection instead."""

    def ended(self, connection: Connection, termination: Termination | None, reason: str, /) -> None:
        """The connection is closed for its handler.

        ``termination`` is how QUIC ended it; None where it was closed or given up on this side. ``reason`` is safe to
        log.
        """

    def released(self, connection: Connection, /) -> None:
        """Nothing of the connection is left in the endpoint."""

    def throttled(self, connection: Connection, /) -> None:
        """Packets of the connection are dropped unread."""


class Side(NamedTuple):
    """What tells the two sides of a connection apart."""

    client: bool
    """A client tells the server when it gives up a handshake; a server stays silent, as the address may be forged."""


class QuinnConnection:
    """A ``seam.Connection`` on quinn's state machine."""

    __slots__ = (
        "__weakref__", "_discarded", "_driver", "_end", "_handler", "_key", "_owner", "_peer", "_side", "_state",
        "_termination", "alpn", "departed", "id"
    )  # fmt: skip

    def __init__(self, driver: Driver, key: int, owner: QuinnOwner, side: Side, peer: str) -> None:
        self.id = next(_ids)
        self.alpn = ""
        self.departed = False
        """The peer has ended the connection; what it sent before is still handed over (see ``Link.departed``)."""
        self._driver = driver
        self._key = key
        self._owner = owner
        self._side = side
        self._peer = peer
        self._handler: ConnectionHandler | None = None
        self._state = LinkState.HANDSHAKE
        self._end = _NOT_KNOWN
        """How it ends, from the moment that this is known."""
        self._termination: Termination | None = None
        self._discarded: asyncio.Future[None] | None = None
        """Done when nothing is left of it; there from the moment that somebody waits."""
        driver.connections[key] = self
        driver.core.set_due(key, driver.now() + driver.limits.handshake_timeout)
        driver.touch()

    # For the application

    @property
    def peer(self) -> str:
        """The peer's address as ``host:port``; it changes when the client migrates."""
        if not self._driver.closed:
            address = self._driver.core.peer(self._key)
            if address is not None:
                self._peer = format_address(address)
        return self._peer

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""
        return self._state not in LIVE

    @property
    def pending(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has not acknowledged yet."""
        return 0 if self._driver.closed else self._driver.core.pending(self._key)

    @property
    def progress(self) -> int:
        """Bytes given to ``send`` that the peer's QUIC has acknowledged without a gap, since the beginning."""
        return 0 if self._driver.closed else self._driver.core.progress(self._key)

    def ready(self) -> bool:
        """Whether the peer may be sent more; False promises ``writable`` once it may again, unless it is closed."""
        return self._state in LIVE and self._driver.core.ready(self._key)

    def send(self, data: bytes) -> None:
        """Queue bytes on the stream; they leave at the end of this burst or in the loop's next turn.

        Never blocks and never raises. The caller bounds ``pending``. Does nothing after the close.
        """
        if self._state in LIVE and data:
            self._driver.write(self._key, data)

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Close with an application error code; ``reason`` is the complete phrase of protocol §6.

        What was sent before goes out first: the closing packet waits until the peer has acknowledged it, at most
        ``linger`` seconds, and not at all without ``flush``. ``closed()`` is called in the loop's next turn.
        Idempotent.
        """
        if self._state in LIVE:
            self._flush(LinkEvent.CLOSED, End(code, reason), self._driver.limits.linger if flush else 0.0)

    def abort(self, code: int, reason: str, *, tell_peer: bool = True) -> None:
        """Forget the connection at once, after one attempt to tell the peer."""
        self._apply(LinkEvent.ABORTED if tell_peer else LinkEvent.FORGOTTEN, End(code, reason))

    async def wait_closed(self) -> None:
        """Wait until nothing of the connection is left; for a dialed one, also its socket is closed."""
        if self._state is LinkState.DISCARDED:
            return
        if self._discarded is None:
            self._discarded = self._driver.loop.create_future()
        await asyncio.shield(self._discarded)

    # For the driver (``Driven``)

    def established(self, alpn: bytes, /) -> None:
        """Make the handler."""
        self.alpn = alpn.decode()
        self._apply(LinkEvent.ESTABLISHED)

    def received(self, data: bytes, /) -> None:
        """Hand bytes of the stream over."""
        handler = self._handler
        if handler is None or self._state not in LIVE:
            return
        try:
            handler.received(data)
        except Exception as error:  # nothing may get past its connection
            self._broken(error)

    def stream_over(self, how: int, code: int, /) -> None:
        """Close, as the peer said its last."""
        if self._state not in LIVE:
            return
        if how == ANOTHER_STREAM:
            fault = CloseCode.PROTOCOL_ERROR.phrase("there is one bidirectional stream, and no other stream")
            self._flush(LinkEvent.CLOSED, End(CloseCode.PROTOCOL_ERROR, fault), 0.0)
        else:
            did = ("ended its stream", "reset its stream", "stopped reading its stream")[how]
            phrase = CloseCode.NORMAL.phrase(f"the peer {did}" + (f" (code {code:#x})" if how else ""))
            end = End(CloseCode.NORMAL, phrase, by_peer=True)
            self._flush(LinkEvent.STREAM_ENDED, end, self._driver.limits.linger)

    def writable(self) -> None:
        """Tell the handler that there is room again."""
        if self._handler is None or self._state not in LIVE:
            return
        try:
            self._handler.writable()
        except Exception as error:  # as in ``received``
            self._broken(error)

    def stalled(self) -> None:
        """Close, as the peer takes nothing any more."""
        detail = f"nothing was read for {self._driver.limits.stall_timeout:g} s"
        if self._state in LIVE:
            end = End(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail))
            self._flush(LinkEvent.CLOSED, end, 0.0)

    def due(self) -> None:
        """End what has lasted long enough: the handshake, the flush, or the period behind it."""
        match self._state:
            case LinkState.HANDSHAKE:
                event = LinkEvent.ABORTED if self._side.client else LinkEvent.FORGOTTEN
                self._apply(event, End(CloseCode.INTERNAL, CloseCode.INTERNAL.phrase("the handshake took too long")))
            case LinkState.FLUSHING:
                self._apply(LinkEvent.FLUSHED)
            case LinkState.CLOSING | LinkState.DRAINING:
                self._driver.core.forget(self._key)
                self._driver.touch()

    def flushed(self) -> None:
        """Close, now that everything is acknowledged."""
        if self._state is LinkState.FLUSHING:
            self._apply(LinkEvent.FLUSHED)

    def lost(self, kind: int, code: int, reason: bytes, /) -> None:
        """QUIC ended the connection: the peer's close, a fault, a time-out, a stateless reset."""
        if kind == RESET:
            phrase = CloseCode.INTERNAL.phrase("the peer no longer knows this connection")
            self._apply(LinkEvent.FORGOTTEN, End(CloseCode.INTERNAL, phrase, by_peer=True))
            return
        self._termination = ended = termination_of(kind, code, reason)
        self._apply(LinkEvent.PEER_CLOSED if ended.by_peer else LinkEvent.QUIC_CLOSED, end_of(ended))

    def released(self) -> None:
        """Nothing is left of it in the endpoint."""
        if self._state is not LinkState.DISCARDED:
            self._apply(LinkEvent.PERIOD_OVER)

    def throttled(self) -> None:
        """Tell the owner that packets are dropped unread."""
        self._owner.throttled(self)

    def leaves(self) -> None:
        """Note that the peer has ended it."""
        self.departed = True

    def give_up(self) -> None:
        """Close at once and keep nothing, as all peers together left too much unacknowledged."""
        if self._state in LIVE:
            detail = "too much is unacknowledged, by all peers together and most by this one"
            end = End(CloseCode.SLOW_CONSUMER, CloseCode.SLOW_CONSUMER.phrase(detail))
            self._flush(LinkEvent.CLOSED, end, 0.0)
        elif self._state is LinkState.FLUSHING:
            self._apply(LinkEvent.FLUSHED)

    # Its life (``transport.lifecycle``)

    def shorten(self, period: float) -> None:
        """Let the closing or draining period last so many seconds more at most."""
        if self._state in (LinkState.CLOSING, LinkState.DRAINING):
            self._driver.core.set_due(self._key, self._driver.now() + period)
            self._driver.touch()

    def _flush(self, event: LinkEvent, end: End, linger: float) -> None:
        """Close, and let what was sent before go out first, for ``linger`` seconds at most."""
        core = self._driver.core
        self._apply(event, end)
        if linger and core.pending(self._key):
            core.flush_first(self._key)
            core.set_due(self._key, self._driver.now() + linger)
            self._driver.touch()
        else:
            self._apply(LinkEvent.FLUSHED)

    def _apply(self, event: LinkEvent, end: End | None = None) -> None:
        """Take the step of ``event``; ``end`` is kept where it is one of the ends that count."""
        found = step(self._state, event)
        if end is not None and found.actions:
            self._end = end
        self._state = found.state
        for action in found.actions:
            self._act(action)
        if found.actions:
            self._driver.touch()

    def _act(self, action: LinkAction) -> None:
        core, key = self._driver.core, self._key
        match action:
            case LinkAction.MAKE_HANDLER:
                core.set_due(key, None)
                self._make_handler()
            case LinkAction.TELL:
                self._owner.ended(self, self._termination, printable(self._end.reason, REASON_LIMIT))
                self._tell_handler()
            case LinkAction.SEND_ONCE:
                core.abort(key, int(self._end.code), self._phrase(), self._driver.now())
            case LinkAction.SEND_CLOSE:
                core.close(key, int(self._end.code), self._phrase(), self._driver.now())
                self._bound_period(self._owner.closing_period)
            case LinkAction.BEGIN_DRAINING:
                self._bound_period(self._owner.draining_period)
            case LinkAction.DROP_IDS:
                core.forget(key)
            case LinkAction.RELEASE:
                self._owner.released(self)
                if self._discarded is not None:
                    self._discarded.set_result(None)

    def _bound_period(self, longest: float | None) -> None:
        if longest == 0.0:
            self._driver.core.forget(self._key)
        elif longest is not None:
            self.shorten(longest)

    def _phrase(self) -> bytes:
        """The reason as it goes into a packet: cut between characters."""
        return self._end.reason.encode()[:REASON_LIMIT].decode(errors="ignore").encode()

    def _make_handler(self) -> None:
        try:
            self._handler = self._owner.established(self)
        except Exception as error:  # as in ``received``
            self._broken(error)
            return
        if self._state not in LIVE:  # the factory closed it: this handler is told as any other
            self._tell_handler()

    def _broken(self, error: Exception) -> None:
        """End this connection alone, because it cannot be handled."""
        _log.error("connection handler failed", exc_info=error, extra={"connection": self.id, "peer": self._peer})
        self._apply(LinkEvent.BROKEN, End(CloseCode.INTERNAL, CloseCode.INTERNAL.phrase("internal error")))

    def _tell_handler(self) -> None:
        if self._handler is not None:
            # In the loop's next turn, so that closed() never runs inside a call of the application.
            self._driver.loop.call_soon(self._call_closed, self._end)

    def _call_closed(self, end: End) -> None:
        handler, self._handler = self._handler, None
        if handler is None:
            return
        try:
            handler.closed(end.code, printable(end.reason, REASON_LIMIT), end.by_peer)
        except Exception:  # one handler's fault is not the loop's
            told = {"connection": self.id, "peer": self._peer, "call": "closed"}
            _log.exception("connection handler failed", extra=told)


def termination_of(kind: int, code: int, reason: bytes) -> Termination:
    """How QUIC ended a connection, as its events tell it."""
    by_peer = kind in (LOST_BY_PEER, FAULT_BY_PEER)
    frame = None if kind == LOST_BY_PEER else 0
    return Termination(code, frame, _decoded(reason), by_peer, FINDINGS.get(kind))


def _decoded(reason: bytes) -> str:
    """The words of a peer; none when they are not UTF-8, as RFC 9000 §19.19 wants them to be."""
    try:
        return reason.decode()
    except UnicodeDecodeError:
        return ""
