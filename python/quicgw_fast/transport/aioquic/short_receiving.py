"""The short path of what arrives: one plain 1-RTT packet, taken in one step instead of thirty.

Nearly every datagram of a connection that is under way is one packet with a short header, newer than all before it,
with an ACK and the next bytes of the stream. aioquic takes it through the steps that any packet may need. Here it is
decrypted and read first, without changing anything; if everything in it is plain, what aioquic would do is done to
the same fields, and if anything is not, the datagram goes aioquic's way as if nobody had looked at it. So the short
path has no state of its own: either way may take each next packet.

Not plain are: long headers, another key phase or connection id, packets that are not the newest, another address or
one that is not validated, frames other than the handful below, bytes of the stream that are not the next ones, its
end, windows that are used up, and an ACK of what was left out or never sent. Losses that an ACK shows are aioquic's
to find (``short_ack``).

``ShortReceiving`` behaves as aioquic does and knows none of our own rules: aioquic's own tests run on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from aioquic._buffer import Buffer, BufferReadError
from aioquic.quic.congestion.base import K_GRANULARITY
from aioquic.quic.connection import QuicConnection, QuicConnectionState
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.recovery import MAX_ACK_RANGES, QuicPacketSpace
from aioquic.tls import Epoch
from cryptography.exceptions import InvalidTag

from quicgw_fast.transport.aioquic.short_ack import Ack, take_ack

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.quic.connection import NetworkAddress
    from aioquic.quic.rangeset import RangeSet
    from aioquic.quic.stream import QuicStream

STREAM = 0
"""The only stream: the first bidirectional one of the client."""

MOST_FRAMES = 8
"""Frames in a packet, and ranges in an ACK, that are plain. More is unusual, and bounded on aioquic's way."""

ranges_of: Callable[[RangeSet], list[range]] = attrgetter("_RangeSet__ranges")
"""The list in a set of ranges: each of its own methods is a Python call that looks at one of them."""

CONNECTED = QuicConnectionState.CONNECTED
ONE_RTT = Epoch.ONE_RTT


class ShortCounters(Protocol):
    """Where it is counted how many packets took the short path."""

    short_received: int
    short_sent: int


@dataclass(slots=True)
class ShortCounts:
    """The same of a connection that shares no counters."""

    short_received: int = 0
    short_sent: int = 0


class ShortReceiving(QuicConnection):
    """An aioquic connection with a short path for plain packets that arrive."""

    short_path = True
    """The switch; off, everything goes aioquic's way."""

    def __init__(self, *, short_counters: ShortCounters | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.short_counters = short_counters or ShortCounts()
        self.gw_skipped: int | None = None
        """A packet number that was left out: an ACK that goes so far is looked at on aioquic's way."""
        self.gw_space = QuicPacketSpace(is_application_data=True)
        """aioquic's packet space of 1-RTT packets, from the first packet on: to look it up costs a Python call."""
        self.gw_keys = CryptoPair()
        """The keys of 1-RTT packets, likewise."""

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """Take a datagram, the short way if it is plain."""
        if self._receive_short(data, addr, now) is None:
            super().receive_datagram(data, addr, now)

    def _receive_short(self, data: bytes, addr: NetworkAddress, now: float) -> int | None:
        """Take a plain packet, and return how many bytes of the stream it moved; None, and nothing done, for others."""
        if not self._may_receive_short(addr):
            return None
        opened = self._open(data)
        if opened is None:
            return None
        first, number, frames = opened
        try:
            plain = self._read(frames)
        except BufferReadError:
            return None
        if plain is None:
            return None
        ack, fresh, eliciting = plain
        stream = self._streams[STREAM]
        sender = stream.sender
        moved = len(fresh) - sender._buffer_start
        if ack is not None:
            take_ack(self._loss, self.gw_space, ack, self._remote_ack_delay_exponent, now)
        if fresh:
            self._take_stream(stream, fresh)
        self._take_number(first, number, eliciting, now)
        return moved + sender._buffer_start

    def _may_receive_short(self, addr: NetworkAddress) -> bool:
        paths = self._network_paths
        return (
            self.short_path
            and self._handshake_confirmed
            and self._state is CONNECTED
            and not self._close_pending
            and paths[0].addr == addr
            and paths[0].is_validated
            # The first 1-RTT packets go aioquic's way: it has things to end then, such as the keys of 0-RTT.
            and self._spin_highest_pn > 0
            and STREAM in self._streams
            and self._loss.peer_completed_address_validation
            and self._quic_logger is None
        )

    def _open(self, data: bytes) -> tuple[int, int, bytes] | None:
        """Remove the protection (RFC 9001 §5.3, §5.4); return the first byte, the packet number and the frames.

        None for a packet that is not plain or not genuine.
        """
        cid = self.host_cid
        start = 1 + len(cid)
        if data[0] & 0xC0 != 0x40 or data[1:start] != cid or len(data) < start + 20:
            return None
        keys, space = self.gw_keys.recv, self.gw_space
        aead, protection = keys.aead, keys.hp
        if aead is None or protection is None:
            return None
        mask = protection._mask(data[start + 4 : start + 20])
        first = data[0] ^ mask[0] & 0x1F
        if (first & 0x1C) >> 2 != keys.key_phase:  # with the reserved bits, which must be zero
            return None
        size = (first & 3) + 1
        end = start + size
        truncated = int.from_bytes(data[start:end], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
        expected = space.expected_packet_number
        window = 1 << 8 * size
        number = expected & -window | truncated
        if number < expected or number <= space.largest_received_packet or number > expected + window // 2:
            return None
        header = b"%c%b%b" % (first, cid, truncated.to_bytes(size, "big"))
        try:
            frames = aead._aead.decrypt((aead._iv ^ number).to_bytes(12, "big"), data[end:], header)
        except InvalidTag:
            return None
        return first, number, frames

    def _read(self, plain: bytes) -> tuple[Ack | None, bytes, bool] | None:
        """Read the frames: the ACK, the next bytes of the stream, and whether the packet is to be acknowledged.

        None where one of them is not plain. Raises ``BufferReadError`` where one is cut off.
        """
        buf = Buffer(data=plain)
        pull = buf.pull_uint_var
        ack, fresh, eliciting = None, b"", False
        for _ in range(MOST_FRAMES):
            kind = pull()
            if kind & ~7 == 8:  # STREAM, with flags for its end, its length and its offset
                if fresh or kind & 1 or pull() != STREAM:
                    return None
                offset = pull() if kind & 4 else 0
                size = pull() if kind & 2 else len(plain) - buf.tell()
                fresh = buf.pull_bytes(size)
                if not fresh or not self._is_next(offset, size):
                    return None
                eliciting = True
            elif kind == 2:  # ACK
                if ack is not None or (ack := self._read_ack(buf)) is None:
                    return None
            elif kind == 1:  # PING
                eliciting = True
            elif kind == 0 and not plain[buf.tell() :].strip(b"\0"):  # PADDING to the end
                buf.seek(len(plain))
            else:
                return None
            if buf.eof():
                return (ack, fresh, eliciting) if fresh or ack is not None else None
        return None

    def _is_next(self, offset: int, size: int) -> bool:
        """Whether these are the next bytes of the stream, and may be sent to us."""
        stream = self._streams[STREAM]
        receiver, limit = stream.receiver, self._local_max_data
        return (
            offset == receiver._buffer_start == receiver.highest_offset
            and not receiver.is_finished
            and receiver._final_size is None
            and offset + size <= stream.max_stream_data_local
            and limit.used + size <= limit.value
        )

    def _read_ack(self, buf: Buffer) -> Ack | None:
        """Read an ACK frame; None where it is not plain."""
        pull = buf.pull_uint_var
        largest, delay, more, length = pull(), pull(), pull(), pull()
        if (
            more > MOST_FRAMES
            or largest >= self._packet_number
            or (self.gw_skipped is not None and largest >= self.gw_skipped)
        ):
            return None
        smallest = largest - length
        ranges = [(smallest, largest)]
        for _ in range(more):
            last = smallest - pull() - 2
            smallest = last - pull()
            ranges.append((smallest, last))
        return (delay, ranges) if smallest >= 0 else None

    # What aioquic would do

    def _take_stream(self, stream: QuicStream, fresh: bytes) -> None:
        receiver = stream.receiver
        receiver._buffer_start = receiver.highest_offset = receiver._buffer_start + len(fresh)
        self._local_max_data.used += len(fresh)
        self._events.append(StreamDataReceived(fresh, False, STREAM))

    def _take_number(self, first: int, number: int, eliciting: bool, now: float) -> None:
        space = self.gw_space
        if number > space.expected_packet_number:
            space.expected_packet_number = number + 1
        self._spin_highest_pn = number
        self._spin_bit = bool(first & 0x20) is not self._is_client
        self._close_at = now + self._idle_timeout()
        self._ack_eliciting_sent_since_receipt = False
        space.largest_received_packet = number
        space.largest_received_time = now
        received = ranges_of(space.ack_queue)
        if received and received[-1].stop == number:
            received[-1] = range(received[-1].start, number + 1)
        else:
            received.append(range(number, number + 1))
            if len(received) > MAX_ACK_RANGES:
                received.pop(0)
        space.received_packets.add(number)
        if eliciting and space.ack_at is None:
            space.ack_at = now + self._ack_delay
        self.short_counters.short_received += 1

    # Steps of aioquic that are done in fewer calls

    def _idle_timeout(self) -> float:
        loss = self._loss
        idle, remote = self._configuration.idle_timeout, self._remote_max_idle_timeout
        if remote is not None and remote < idle:
            idle = remote
        if not loss._rtt_initialized:
            return super()._idle_timeout()
        variance = 4 * loss._rtt_variance
        probe = loss._rtt_smoothed + max(K_GRANULARITY, variance) + loss.max_ack_delay
        return max(3 * probe, idle)

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.gw_space = self._spaces[ONE_RTT]
        self.gw_keys = self._cryptos[ONE_RTT]
