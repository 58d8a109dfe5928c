"""The short path of what goes out: plain 1-RTT packets with the ACK that is due and the next bytes of the stream.

aioquic builds a packet by asking everything that could be in one, and a last one to find that there is nothing more.
Here it is seen first that nothing but an ACK and new bytes of the stream is to go. Then packets are built that are,
byte for byte, what aioquic would build, and are noted in the same places. Whatever else is to be sent, or held back,
is aioquic's: control frames, probes, what is sent again, other paths and streams, an ACK with holes, the end of the
stream; the rest where the congestion window, pacing or the peer's windows leave no room for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aioquic._buffer import Buffer
from aioquic.buffer import size_uint_var
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicSentPacket
from aioquic.quic.stream import QuicStreamSender

from quicgw_fast.transport.aioquic.short_receiving import CONNECTED, ONE_RTT, STREAM, ShortReceiving, ranges_of

if TYPE_CHECKING:
    from aioquic.quic.connection import NetworkAddress
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream

TAG = 16
"""Bytes by which AEAD makes a packet longer."""

ACKED = QuicDeliveryState.ACKED


class ShortPacket(QuicSentPacket):
    """A packet that took the short path, until it is acknowledged or lost; what never differs is in the class."""

    epoch = ONE_RTT
    is_crypto_packet = False
    packet_type = QuicPacketType.ONE_RTT

    def __init__(self, number: int, sent_time: float, sent_bytes: int, eliciting: bool, handler: Any) -> None:
        self.packet_number = number
        self.sent_time = sent_time
        self.sent_bytes = sent_bytes
        self.is_ack_eliciting = self.in_flight = eliciting
        self.delivery_handlers = [handler]


class ShortSending(ShortReceiving):
    """An aioquic connection with a short path for plain packets in both directions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.gw_crypto = QuicStreamSender(None, writable=True)
        """What sends TLS messages on an established connection, looked up once."""

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Queue bytes on a stream; on the one that is open without looking for it."""
        stream = self._streams.get(stream_id)
        if stream_id != STREAM or stream is None or end_stream or not data:
            super().send_stream_data(stream_id, data, end_stream)
            return
        sender = stream.sender
        waiting = ranges_of(sender._pending)
        if waiting or sender._buffer_fin is not None or sender._reset_error_code is not None:
            sender.write(data)
            return
        start = sender._buffer_stop
        sender._buffer_stop = stop = start + len(data)
        sender._buffer += data
        sender.buffer_is_empty = False
        waiting.append(range(start, stop))

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Build the datagrams that may go out now, the short way if nothing but ACK and stream is to go."""
        datagrams = self._send_short(now)
        return super().datagrams_to_send(now) if datagrams is None else datagrams

    def _send_short(self, now: float) -> list[tuple[bytes, NetworkAddress]] | None:
        """Build what is to go if it is plain; None, and nothing done, if something is not."""
        stream = self._streams.get(STREAM)
        if stream is None or not self._may_send_short(stream):
            return None
        space, sender = self.gw_space, stream.sender
        ack_due = space.ack_at is not None and space.ack_at <= now
        if ack_due and len(ranges_of(space.ack_queue)) != 1:
            return None
        if not sender.buffer_is_empty and not self._is_new(stream):
            return None
        self._pacing_at = None
        path, loss = self._network_paths[0], self._loss
        datagrams: list[tuple[bytes, NetworkAddress]] = []
        while ack_due or not sender.buffer_is_empty:
            room = loss._cc.congestion_window - loss._cc.bytes_in_flight
            if room < self._max_datagram_size or not (ack_due or loss._pacer.next_send_time(now=now) is None):
                # aioquic holds back the rest, and knows for how long.
                return datagrams + super().datagrams_to_send(now)
            packet = self._build(space if ack_due else None, sender, now)
            loss._pacer.update_after_send(now=now)
            path.bytes_sent += len(packet)
            datagrams.append((packet, path.addr))
            ack_due = False
        return datagrams

    def _may_send_short(self, stream: QuicStream) -> bool:
        """Whether nothing but an ACK and bytes of the stream can be waiting to be sent."""
        return (
            self.short_path
            and self._handshake_confirmed
            and self._state is CONNECTED
            and not self._close_pending
            and not self._datagrams_pending
            and not self.gw_keys._update_key_requested
            and self._remote_preferred_address is None
            and self._quic_logger is None
            and len(self._streams) == 1
            and not stream.is_blocked
            and stream.sender._buffer_fin is None
            and not self._stream_control_due(stream)
            and not self._control_due()
        )

    def _control_due(self) -> bool:
        """Whether the connection has a frame to send that is neither of the stream nor an ACK."""
        paths = self._network_paths
        if (
            self._probe_pending
            or self._ping_pending
            or self._retire_connection_ids
            or self._handshake_done_pending
            or self._streams_blocked_pending
            or not paths[0].is_validated
            or paths[0].remote_challenges
            or (len(paths) > 1 and self._probing_due())
            or not self.gw_crypto.buffer_is_empty
        ):
            return True
        for cid in self._host_cids:  # noqa: SIM110 - a generator costs as much as all of the above
            if not cid.was_sent:
                return True
        return False

    def _probing_due(self) -> bool:
        """Whether something is to be sent on a path that is not the active one."""
        return any(
            path.remote_challenges or not (path.is_validated or path.local_challenge_sent)
            for path in self._network_paths[1:]
        )

    def _stream_control_due(self, stream: QuicStream) -> bool:
        """Whether the stream has a frame to send that carries none of its bytes, or a window is to be raised."""
        limits = (self._local_max_data, self._local_max_streams_bidi, self._local_max_streams_uni)
        return (
            stream.sender.reset_pending
            or stream.receiver.stop_pending
            or stream.max_stream_data_local != stream.max_stream_data_local_sent
            or stream.receiver.highest_offset * 2 > stream.max_stream_data_local
            or any(limit.sent != limit.value or limit.used * 2 > limit.value for limit in limits)
        )

    def _is_new(self, stream: QuicStream) -> bool:
        """Whether all that waits was never sent before, and the peer's windows have room for it."""
        sender = stream.sender
        stop, highest = sender._buffer_stop, sender.highest_offset
        return (
            ranges_of(sender._pending) == [range(highest, stop)]
            and stop <= stream.max_stream_data_remote
            and stop - highest <= self._remote_max_data - self._remote_max_data_used
        )

    def _build(self, space: QuicPacketSpace | None, sender: QuicStreamSender, now: float) -> bytes:
        """Build one packet, with an ACK if ``space`` is given and as much of the stream as there is room for."""
        buf = Buffer(capacity=self._max_datagram_size)
        acked = -1 if space is None else self._write_ack(buf, space, now)
        start = stop = sender.highest_offset
        if not sender.buffer_is_empty:
            stop = self._write_stream(buf, sender)
        number = self._packet_number
        packet = self._protect(buf.data, number)
        self._packet_number = number + 1
        sent = ShortPacket(number, now, len(packet), stop > start, (self._delivered, (sender, start, stop, acked)))
        self._loss.on_packet_sent(packet=sent, space=self.gw_space)
        if stop > start and not self._ack_eliciting_sent_since_receipt:
            self._close_at = now + self._idle_timeout()
            self._ack_eliciting_sent_since_receipt = True
        self.short_counters.short_sent += 1
        return packet

    def _write_ack(self, buf: Buffer, space: QuicPacketSpace, now: float) -> int:
        """Write the ACK of all that was received; return up to where."""
        received = ranges_of(space.ack_queue)[0]
        largest = received.stop - 1
        delay = 0.0 if space.largest_received_time is None else now - space.largest_received_time
        buf.push_uint8(2)
        buf.push_uint_var(largest)
        buf.push_uint_var(int(delay * 1000000) >> self._local_ack_delay_exponent)
        buf.push_uint8(0)
        buf.push_uint_var(largest - received.start)
        space.ack_at = None
        return space.largest_received_packet

    def _write_stream(self, buf: Buffer, sender: QuicStreamSender) -> int:
        """Write the next bytes of the stream, as many as have room; return the offset where they end."""
        start, base = sender.highest_offset, sender._buffer_start
        room = self._max_datagram_size - TAG - 3 - len(self._peer_cid.cid) - buf.tell()
        end = sender._buffer_stop
        if start:
            stop = min(end, start + room - 4 - size_uint_var(start))
            buf.push_uint16(0x0E00 | STREAM)
            buf.push_uint_var(start)
        else:
            stop = min(end, start + room - 4)
            buf.push_uint16(0x0A00 | STREAM)
        buf.push_uint16(stop - start | 0x4000)
        buf.push_bytes(bytes(sender._buffer[start - base : stop - base]))
        sender.highest_offset = stop
        if stop == end:
            sender._pending.shift()
            sender.buffer_is_empty = True
        else:
            sender._pending.subtract(start, stop)
        self._remote_max_data_used += stop - start
        return stop

    def _protect(self, frames: bytes, number: int) -> bytes:
        """Make a packet of the frames (RFC 9001 §5.3, §5.4)."""
        keys, cid = self.gw_keys.send, self._peer_cid.cid
        first = 0x41 | self._spin_bit << 5 | keys.key_phase << 2
        truncated = number & 0xFFFF
        aead, protection = keys.aead, keys.hp
        assert aead is not None
        assert protection is not None
        header = b"%c%b%b" % (first, cid, truncated.to_bytes(2, "big"))
        sealed = aead._aead.encrypt((aead._iv ^ number).to_bytes(12, "big"), frames, header)
        mask = protection._mask(sealed[2:18])
        masked = truncated ^ (mask[1] << 8 | mask[2])
        return b"%c%b%b%b" % (first ^ mask[0] & 0x1F, cid, masked.to_bytes(2, "big"), sealed)

    def _delivered(
        self, delivery: QuicDeliveryState, sender: QuicStreamSender, start: int, stop: int, acked: int
    ) -> None:
        """Take note that a packet of ours was acknowledged or lost."""
        if (
            delivery is not ACKED
            or start != sender._buffer_start
            or ranges_of(sender._acked)
            or sender._buffer_fin is not None
        ):
            if stop > start:
                sender.on_data_delivery(delivery, start, stop, False)
        elif sender._reset_error_code is None:
            sender._buffer_start = stop
            del sender._buffer[: stop - start]
        if delivery is ACKED and acked >= 0:
            self.gw_space.ack_queue.subtract(0, acked + 1)

    # Steps of aioquic that are done in fewer calls

    def get_timer(self) -> float | None:
        """Return when ``handle_timer`` is to be called."""
        at = self._close_at
        if (
            at is None
            or not self._handshake_confirmed
            or self._state is not CONNECTED
            or not self._network_paths[0].is_validated
            or len(self._loss.spaces) > 1
            or not self.short_path
        ):
            return super().get_timer()
        space, loss = self.gw_space, self._loss
        if space.ack_at is not None and space.ack_at < at:
            at = space.ack_at
        due = space.loss_time
        if due is None and space.ack_eliciting_in_flight:
            due = loss._time_of_last_sent_ack_eliciting_packet + loss.get_probe_timeout() * 2**loss._pto_count
        self._loss_at = due
        if due is not None and due < at:
            at = due
        if self._pacing_at is not None and self._pacing_at < at:
            at = self._pacing_at
        return at

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.gw_crypto = self._crypto_streams[ONE_RTT].sender
