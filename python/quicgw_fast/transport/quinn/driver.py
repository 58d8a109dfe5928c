"""Drives a compiled endpoint from the event loop: one crossing for each burst that comes, and one for what it sends.

The endpoint never calls back. What came is a list of events, each a tuple that begins with its kind; the driver hands
each to the connection that it is about, or to the owner, and sends what all of them had to say afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import os
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast._core import QuicEndpoint
from quicgw_fast.backend import TokenBucket
from quicgw_fast.sharing import FREE_TO, Holding, choose
from quicgw_fast.transport.packets import reset_token_key
from quicgw_fast.transport.reading import Eager, Rests
from quicgw_fast.transport.sockets import enlarge_buffers
from quicgw_fast.transport.text import format_address
from quicgw_fast.transport.timers import LazyTimer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import ReadingPace
    from quicgw_fast.transport.connection_ids import ConnectionIds
    from quicgw_fast.transport.limits import TransportLimits

READ = 16 << 10
"""Bytes of streams that are taken in one turn of the loop: some fifty requests, which take a millisecond or two."""
READ_CROWDED = 64 << 10
"""The same while reading has rests: most of what is read then is refused, and takes a fraction of that."""

_log = logging.getLogger("quicgw.transport")


class EventKind(IntEnum):
    """What an event is; the rest of its tuple is what ``rust/src/transport.rs`` puts there."""

    INCOMING = 0
    ESTABLISHED = 1
    DATA = 2
    STREAM_OVER = 3
    WRITABLE = 4
    STALLED = 5
    DUE = 6
    FLUSHED = 7
    LOST = 8
    RELEASED = 9
    THROTTLED = 10
    DEPARTED = 11
    ANSWER = 12
    UNSENT = 13


_DATA = EventKind.DATA.value
"""The kind of nearly all events, as a plain number: to look up a member of an enumeration takes longer."""


class Driven(Protocol):
    """A connection, as the driver sees it: one call for each kind of event."""

    def established(self, alpn: bytes, /) -> None:
        """The handshake is complete."""

    def received(self, data: bytes, /) -> None:
        """Bytes of the stream came."""

    def stream_over(self, how: int, code: int, /) -> None:
        """The peer is done with its stream."""

    def writable(self) -> None:
        """There is room again."""

    def stalled(self) -> None:
        """The peer takes nothing any more."""

    def due(self) -> None:
        """The time that was set has come."""

    def flushed(self) -> None:
        """Everything that was sent is acknowledged."""

    def lost(self, kind: int, code: int, reason: bytes, /) -> None:
        """QUIC has ended it."""

    def released(self) -> None:
        """Nothing is left of it."""

    def throttled(self) -> None:
        """Its packets are dropped unread."""

    def leaves(self) -> None:
        """Its peer has ended it; what came before is still to be handed over."""

    def give_up(self) -> None:
        """Close without waiting for what is not acknowledged."""


class Driver:
    """One compiled endpoint in the running loop (asyncio's or uvloop's)."""

    def __init__(
        self,
        sock: socket.socket,
        limits: TransportLimits,
        *,
        reset_key: bytes,
        connection_ids: ConnectionIds,
        clock: Clock,
        server: tuple[list[bytes], bytes, list[bytes]] | None = None,
        incoming: Callable[[int, str, int, bool], None] | None = None,
        may_answer: Callable[[float], bool] | None = None,
        pace: ReadingPace | None = None,
    ) -> None:
        """``server`` is the chain, the private key and the ALPNs of a listener, all as bytes.

        ``incoming`` is told of first packets: a ticket, the address and the port that it came from, and whether that
        is proven. ``may_answer`` says at a time whether a packet that anybody can forge is answered now.
        ``pace`` gives the reading its rests; None: it has none.
        """
        self.limits = limits
        self.now = clock.now
        self.loop = asyncio.get_running_loop()
        self.connections: dict[int, Driven] = {}
        self.given_up = 0
        """Connections that were closed because all peers together left too much unacknowledged."""
        self.on_socket_error: Callable[[OSError], None] | None = None
        self.heard = False
        """Something came."""
        self.closed = False
        enlarge_buffers(sock, limits.socket_buffer)
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self.core = QuicEndpoint(
            os.dup(self._fd),
            self.now(),
            limits,
            reset_token_key(reset_key),
            connection_ids.make,
            connection_ids.length,
            server,
        )
        self.address = self.core.address
        self._incoming = incoming
        self._may_answer = may_answer
        self._timer = LazyTimer(clock.call_later, self._on_timer)
        self._handling = False
        """A burst is handled: what is written meanwhile leaves at its end."""
        self._flush_handle: asyncio.Handle | None = None
        self._waits_for_room = False
        self._complaints = TokenBucket(1.0, 10)
        self._relieving = False
        self._backlog = limits.backlog
        self._rests = Rests(clock, pace or Eager(), self._resume, self._on_readable)
        self._read_handle: asyncio.Handle | None = None
        self.loop.add_reader(self._fd, self._on_readable)

    @property
    def most(self) -> int:
        """Bytes that the peer with most of them has not acknowledged."""
        return 0 if self.closed else max(map(self.core.pending, self.connections), default=0)

    def touch(self) -> None:
        """Have what was written sent: at the end of the running burst, or in the loop's next turn."""
        if not self._handling and self._flush_handle is None:
            self._flush_handle = self.loop.call_soon(self._flush_soon)

    def write(self, key: int, data: bytes) -> None:
        """Put bytes on a connection's stream."""
        if self.core.write(key, data) > self._backlog and not self._relieving:
            # Not now: this may be inside a step that hands messages to many connections.
            self._relieving = True
            self.loop.call_soon(self._relieve)
        if not self._handling:
            self.touch()

    def close(self) -> None:
        """Close the socket and forget everything."""
        if self.closed:
            return
        self.closed = True
        self._timer.cancel()
        if self._flush_handle is not None:
            self._flush_handle.cancel()
        self._rests.close()
        if self._read_handle is not None:
            self._read_handle.cancel()
        self.loop.remove_reader(self._fd)
        self.loop.remove_writer(self._fd)
        self.core.shut()
        self._sock.close()

    # What comes

    def _on_readable(self) -> None:
        now = self.now()
        try:
            count, events = self.core.receive(now, self.limits.drain, 0 if self._rests.active else self._most())
            self.heard |= count > 0
        except OSError as error:
            self._complain(error)
            events = []
        self._read_burst(events, now)

    def _resume(self) -> None:
        self.loop.add_reader(self._fd, self._on_readable)
        # Packets first: after a rest shorter than the looks in it, the next one might begin before the loop sees them.
        self._on_readable()

    def _read_on(self) -> None:
        """Go on with what was left on the streams, behind everybody else's turn or after a rest."""
        self._read_handle = None
        self._read_burst(self.core.read(self._most()), self.now())

    def _most(self) -> int:
        return READ_CROWDED if self._rests.wanted else READ

    def _read_burst(self, events: list[tuple[Any, ...]], now: float) -> None:
        self._burst(events, now)
        if self.closed or self._rests.active:
            return
        if self._rests.begin(self.now() - now):
            # Packets are looked at nevertheless, but some at a time: each that wakes the loop alone costs a turn.
            self.loop.remove_reader(self._fd)
        elif self._read_handle is None and self.core.readable:
            self._read_handle = self.loop.call_soon(self._read_on)

    def _on_timer(self) -> None:
        now = self.now()
        self._burst(self.core.expire(now), now)

    def _flush_soon(self) -> None:
        self._flush_handle = None
        self._burst([], self.now())

    def _burst(self, events: list[tuple[Any, ...]], now: float) -> None:
        """Handle events, then send what they brought about; that ends in events of its own now and then."""
        self._handling = True
        try:
            while not self.closed:
                self._handle_all(events)
                if self.closed:
                    return
                deadline, blocked, events = self.core.flush(now)
                if not events:
                    break
        finally:
            self._handling = False
        if self.closed:
            return
        if deadline is not None:
            self._timer.set(deadline, now)
        if blocked != self._waits_for_room:
            self._wait_for_room(blocked)

    def _handle_all(self, events: list[tuple[Any, ...]]) -> None:
        connections = self.connections
        for event in events:
            if event[0] == _DATA:
                connection = connections.get(event[1])
                if connection is not None:
                    connection.received(event[2])
            else:
                self._handle(*event)

    def _handle(self, kind: int, *fields: Any) -> None:
        match kind:
            case EventKind.INCOMING:
                if self._incoming is not None:
                    self._incoming(*fields)
            case EventKind.ANSWER:
                allowed = self._may_answer is not None and self._may_answer(self.now())
                (self.core.answer if allowed else self.core.withhold)(*fields)
            case EventKind.UNSENT:
                self._report(fields[0])
            case EventKind.RELEASED:
                self._release(*fields)
            case _:
                connection = self.connections.get(fields[0])
                if connection is not None:
                    self._tell(connection, kind, fields[1:])

    def _release(self, key: int) -> None:
        connection = self.connections.pop(key, None)
        if connection is not None:
            connection.released()

    @staticmethod
    def _tell(connection: Driven, kind: int, fields: tuple[Any, ...]) -> None:
        match kind:
            case EventKind.ESTABLISHED:
                connection.established(*fields)
            case EventKind.STREAM_OVER:
                connection.stream_over(*fields)
            case EventKind.WRITABLE:
                connection.writable()
            case EventKind.STALLED:
                connection.stalled()
            case EventKind.DUE:
                connection.due()
            case EventKind.FLUSHED:
                connection.flushed()
            case EventKind.LOST:
                connection.lost(*fields)
            case EventKind.THROTTLED:
                connection.throttled()
            case EventKind.DEPARTED:
                connection.leaves()

    # The socket

    def _wait_for_room(self, blocked: bool) -> None:
        self._waits_for_room = blocked
        if blocked:
            self.loop.add_writer(self._fd, self._flush_soon)
        else:
            self.loop.remove_writer(self._fd)

    def _complain(self, error: OSError) -> None:
        if self.on_socket_error is not None:
            self.on_socket_error(error)
        else:
            self._report(error.strerror or str(error))

    def _report(self, reason: str) -> None:
        """Log a fault of the network, which a peer may be able to cause, at most about one a second."""
        if self._complaints.take(self.now()) == 0.0:
            address = format_address(self.address)
            _log.warning("udp socket failed", extra={"address": address, "reason": reason})

    # What all peers leave unacknowledged

    def _relieve(self) -> None:
        self._relieving = False
        if self.closed or self.core.unacknowledged <= self.limits.backlog:
            return
        holdings = (
            (connection, Holding(self.core.pending(key), attached=True)) for key, connection in self.connections.items()
        )
        for connection in choose(list(holdings), self.core.unacknowledged - int(self.limits.backlog * FREE_TO)):
            self.given_up += 1
            connection.give_up()
