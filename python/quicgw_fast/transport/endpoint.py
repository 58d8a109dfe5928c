"""One UDP socket and the connections behind it: reads in bursts, sends once per touched connection.

The endpoint drives QUIC's state machines itself instead of through asyncio's datagram transport: it drains up to
``limits.drain`` datagrams per wake-up, for ``limits.drain_time`` seconds at most, hands each to the connection its
id names, and only then lets every connection that got something, or that was written to, produce its output: one
packet may then carry the answers to several, and the ACK of all of them.

Datagrams of newcomers, whose handshake takes as long as dozens of requests, stand back: they are looked at behind all
others that came with them, ``limits.newcomers_time`` seconds in a turn of the loop. So a flood of handshakes takes the
time that is left, and those who are there already do not wait behind it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast.backend import TokenBucket
from quicgw_fast.transport.backlog import Backlog
from quicgw_fast.transport.packets import LongHeader, pull_long_header
from quicgw_fast.transport.reading import Eager, Rests
from quicgw_fast.transport.sockets import enlarge_buffers
from quicgw_fast.transport.text import format_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.ports import ReadingPace
    from quicgw_fast.transport.limits import TransportLimits

_log = logging.getLogger("quicgw.transport")

MOST_UNSENT = 4096
"""Datagrams kept while the kernel's send buffer is full; QUIC sends again what is dropped beyond."""


MOST_STANDING_BACK = 2048
"""Datagrams of newcomers kept until it is their turn; their clients send again what is dropped beyond."""


class Receiver(Protocol):
    """What a connection id leads to: a connection, or what is left of one that has ended."""

    newcomer: bool
    """Whether its datagrams stand back behind those of others."""

    def datagram(self, data: bytes, address: Any, now: float, /) -> None:
        """Take one datagram that names one of its connection ids."""


class Serviced(Protocol):
    """A connection that has something to process or to send."""

    def service(self, now: float) -> None:
        """Handle what arrived and send what is due; raises nothing."""


class Period(Protocol):
    """A closing or draining period, while the endpoint still has its connection ids."""

    def shorten(self, lasting: float) -> None:
        """End in ``lasting`` seconds at the latest."""

    def finish(self) -> None:
        """Give the connection ids back at once."""


class Unmatched(Protocol):
    """Takes datagrams that no connection owns; ``header`` is None for a short header packet."""

    def __call__(self, data: bytes, address: Any, header: LongHeader | None, now: float, /) -> None:
        """Answer, start a connection, or drop."""


class Endpoint:
    """A bound UDP socket in the running loop (asyncio's or uvloop's)."""

    def __init__(
        self,
        sock: socket.socket,
        limits: TransportLimits,
        unmatched: Unmatched,
        *,
        id_length: int,
        connected: bool = False,
        clock: Clock,
        pace: ReadingPace | None = None,
    ) -> None:
        """``id_length`` is that of its connection ids. ``pace`` gives the reading its rests; None: it has none."""
        self.closed = False
        self.limits = limits
        self.now = clock.now
        self.call_later = clock.call_later
        self.loop = asyncio.get_running_loop()
        self.receivers: dict[bytes, Receiver] = {}
        self.periods: set[Period] = set()
        self.backlog = Backlog(self.loop, limits.backlog)
        self.on_socket_error: Callable[[OSError], None] | None = None
        self.dropped = 0
        self._unmatched = unmatched
        self._short_header = 1 + id_length
        self._sock = sock
        self._fd = sock.fileno()
        self._put = self._put_connected if connected else sock.sendto
        self._touched: list[Serviced] = []
        self._flushing = False
        self._flush_handle: asyncio.Handle | None = None
        self._unsent: deque[tuple[bytes, Any]] = deque()
        self._standing_back: deque[tuple[bytes, Any]] = deque()
        self._newcomers_handle: asyncio.Handle | None = None
        self._complaints = TokenBucket(1.0, 10)
        sock.setblocking(False)
        enlarge_buffers(sock, limits.socket_buffer)
        self.address = sock.getsockname()
        self._rests = Rests(clock, pace or Eager(), self._listen)
        self._listen()

    def touch(self, connection: Serviced) -> None:
        """Have the connection serviced: at the end of the running burst, or in the loop's next turn."""
        self._touched.append(connection)
        if not self._flushing and self._flush_handle is None:
            self._flush_handle = self.loop.call_soon(self._flush_soon)

    def send(self, data: bytes, address: Any) -> None:
        """Send one datagram; queue it when the kernel's buffer is full; a lost one is QUIC's to repeat."""
        if self._unsent:
            self._postpone(data, address)
            return
        if self.closed:
            return
        try:
            self._put(data, address)
        except (BlockingIOError, InterruptedError):
            self._postpone(data, address)
        except OSError as error:
            self._complain(error)

    def unread(self) -> bool:
        """Whether a datagram has arrived that is not read yet."""
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._complain(error)  # the system tells it once
            return False
        return True

    def close(self) -> None:
        """Release the socket and every callback; connections must have been ended before."""
        if self.closed:
            return
        self.closed = True
        for period in list(self.periods):
            period.finish()
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if self._newcomers_handle is not None:
            self._newcomers_handle.cancel()
            self._newcomers_handle = None
        self._standing_back.clear()
        self._rests.close()
        self.loop.remove_reader(self._fd)
        self.loop.remove_writer(self._fd)
        self._unsent.clear()
        self._touched.clear()
        self.receivers.clear()
        self._sock.close()

    def report(self, event: str, error: BaseException | None = None, **fields: object) -> None:
        """Log a fault that a peer may be able to cause, at most about one a second."""
        if self._complaints.take(self.now()) == 0.0:
            _log.warning(event, exc_info=error, extra=fields)

    # The socket

    def _put_connected(self, data: bytes, _address: Any, /) -> int:
        # The address is the socket's own peer; some systems refuse to hear it twice.
        return self._sock.send(data)

    def _on_readable(self) -> None:
        receive = self._sock.recvfrom
        most = self.limits.max_datagram
        now = self.now()
        until = now + self.limits.drain_time
        self._flushing = True
        for number in range(1, (self.limits.crowded_drain if self._rests.wanted else self.limits.drain) + 1):
            try:
                data, address = receive(most + 1)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._complain(error)
                break
            if len(data) > most:
                self.dropped += 1
            elif data:
                self._dispatch(data, address, now)
            if number >= self.limits.drain_least and self.now() >= until:
                break  # what is left wakes the loop again, behind everybody else's turn
        self._flush()
        if self._standing_back and self._newcomers_handle is None:
            self._look_at_newcomers()
        if not self.closed and self._rests.begin(self.now() - now):
            self.loop.remove_reader(self._fd)  # meanwhile the kernel keeps what comes, as far as its buffer goes

    def _listen(self) -> None:
        self.loop.add_reader(self._fd, self._on_readable)

    def _look_at_newcomers(self) -> None:
        """Look at what stands back for as long as a turn of the loop may take for that, and go on in the next one.

        What follows from each is sent at once: an answer takes as long as what it answers, and counts as well. What
        came together from one address is looked at together, as its end may be the last of it (``Link.departed``).
        """
        self._newcomers_handle = None
        waiting = self._standing_back
        now = self.now()
        until = now + self.limits.newcomers_time
        while waiting and now < until and not self.closed:
            self._flushing = True
            data, address = waiting.popleft()
            self._dispatch(data, address, now, in_turn=True)
            while waiting and waiting[0][1] == address and self.now() < until:
                self._dispatch(*waiting.popleft(), now, in_turn=True)
            self._flush()
            now = self.now()
        if waiting and not self.closed:
            self._newcomers_handle = self.loop.call_soon(self._look_at_newcomers)

    def _stand_back(self, data: bytes, address: Any) -> None:
        if len(self._standing_back) < MOST_STANDING_BACK:
            self._standing_back.append((data, address))
        else:
            self.dropped += 1

    def _dispatch(self, data: bytes, address: Any, now: float, *, in_turn: bool = False) -> None:
        """Hand a datagram over; one of a newcomer stands back unless it is its turn."""
        header = None
        if data[0] & 0x80:
            header = pull_long_header(data)
            if header is None:
                self.dropped += 1
                return
            receiver = self.receivers.get(header.destination_cid)
        else:
            receiver = self.receivers.get(data[1 : self._short_header])
        if receiver is not None:
            if receiver.newcomer and not in_turn:
                self._stand_back(data, address)
            else:
                receiver.datagram(data, address, now)
            return
        if header is not None and not in_turn:
            self._stand_back(data, address)
            return
        try:
            self._unmatched(data, address, header, now)
        except Exception as error:  # a packet of nobody's must never end the burst
            self.dropped += 1
            self.report("unmatched datagram failed", error)

    def _flush_soon(self) -> None:
        self._flush_handle = None
        self._flushing = True
        self._flush()

    def _flush(self) -> None:
        now = self.now()
        touched = self._touched
        try:
            # Servicing one connection may touch others: the list grows while it is walked.
            for connection in touched:
                connection.service(now)
        finally:
            touched.clear()
            self._flushing = False

    def _postpone(self, data: bytes, address: Any) -> None:
        if not self._unsent:
            self.loop.add_writer(self._fd, self._on_writable)
        if len(self._unsent) < MOST_UNSENT:
            self._unsent.append((data, address))
        else:
            self.dropped += 1

    def _on_writable(self) -> None:
        while self._unsent:
            try:
                self._put(*self._unsent[0])
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._complain(error)
            self._unsent.popleft()
        self.loop.remove_writer(self._fd)

    def _complain(self, error: OSError) -> None:
        if self.on_socket_error is not None:
            self.on_socket_error(error)
        else:
            self.report("udp socket failed", address=format_address(self.address), reason=error.strerror or str(error))
