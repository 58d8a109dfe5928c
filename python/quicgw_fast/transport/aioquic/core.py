"""With ``receiving`` the place that knows aioquic's private names: ``GatewayQuic``, its connection with our limits.

aioquic is a sans-I/O state machine: datagrams and time go in, datagrams and events come out. It leaves out
some defences and lets some memory grow, so single steps are overridden here. Everything outside of this
module uses the methods without a leading underscore. What a peer's packets may do is in its base class, in
``receiving.py``. A test says what a new release must not change unnoticed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    Limit,
    NetworkAddress,
    QuicConnectionId,
    QuicConnectionState,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.tls import Epoch

from quicgw_fast.transport.aioquic.receiving import STREAM, ReceivingQuic
from quicgw_fast.transport.termination import Termination

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.packet_builder import QuicPacketBuilder
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream

    from quicgw_fast.transport.limits import TransportLimits

__all__ = ["STREAM", "GatewayQuic"]

ACK_BYTES = 2000
"""Two nearly full datagrams received without an ACK are acknowledged at once (RFC 9000 §13.2.2)."""

LONGEST_PTO = 2.0
"""Seconds between probes at most (or 4 PTO): unbounded doubling leaves a link that was dead for ten seconds
dead for ten more. A packet every two seconds congests nothing."""

FIRST_HOLD = 0.005
LONGEST_HOLD = 1.0
"""Seconds that a probe waits for datagrams that are there but not read: at first (doubled each time), and in all."""

SKIP_EVERY = 512
"""About every so many packets a number is left out; who acknowledges it is lying (RFC 9000 §21.4)."""


class _Silent:
    """Stands in for aioquic's logger, which writes peers' reason phrases unescaped and costs time."""

    def debug(self, *_: object) -> None: ...

    info = warning = error = debug


_SILENT = _Silent()


class GatewayQuic(ReceivingQuic):
    """An aioquic connection with one stream, bounded memory and our ACK and packet number rules."""

    def __init__(
        self,
        *,
        configuration: QuicConfiguration,
        limits: TransportLimits,
        cid_issued: Callable[[bytes], None],
        connection_ids: Callable[[], bytes],
        reset_token: Callable[[bytes], bytes] | None = None,
        original_destination_cid: bytes | None = None,
        retry_source_cid: bytes | None = None,
        unread: Callable[[ReceivingQuic], None] | None = None,
    ) -> None:
        super().__init__(
            configuration=configuration,
            limits=limits,
            unread=unread,
            original_destination_connection_id=original_destination_cid,
            retry_source_connection_id=retry_source_cid,
        )
        self._logger = _SILENT  # type: ignore[assignment]
        self._loss._logger = None
        self._ack_delay = limits.ack_delay
        for limit, streams in (
            (self._local_max_streams_bidi, 0 if configuration.is_client else 1),
            (self._local_max_streams_uni, 0),
        ):
            limit.value = limit.sent = streams
        self.gw_cid_issued = cid_issued
        self.gw_connection_ids = connection_ids
        self.gw_reset_token = reset_token
        self._gw_name(self._host_cids[0])
        self.host_cid = self._local_initial_source_connection_id = self._host_cids[0].cid
        self.gw_space: QuicPacketSpace | None = None
        self.gw_received_unacked = 0
        self.gw_acked_ranges = 1
        self.gw_next_prune = limits.max_unacked_packets
        self.gw_next_skip = random.randrange(SKIP_EVERY // 4, SKIP_EVERY)
        self.gw_next_rekey = limits.rekey_after
        self.gw_held = 0.0
        self.gw_held_since = -1.0
        cid_issued(self.host_cid)

    # What the connection asks

    def established(self) -> bool:
        """Tell whether the TLS handshake is done on this side."""
        return self._handshake_complete

    def untouched(self) -> bool:
        """Tell whether nothing that could be decrypted has arrived yet."""
        return self._state is QuicConnectionState.FIRSTFLIGHT

    def has_stream(self) -> bool:
        """Tell whether the stream is open; a server cannot send before its client opened it."""
        return STREAM in self._streams

    def unacked(self) -> int:
        """Return how many bytes of the stream were sent or queued and are not acknowledged."""
        stream = self._streams.get(STREAM)
        if stream is None or stream.sender._reset_error_code is not None:
            return 0  # no stream, or the peer stopped it: nothing will be acknowledged any more
        return len(stream.sender._buffer)

    def forget_unacked(self) -> None:
        """Drop what the peer has not acknowledged; only for a connection that closes and sends nothing but that."""
        if (stream := self._streams.get(STREAM)) is not None:
            stream.sender._buffer = bytearray()

    def progress(self) -> int:
        """Return how many bytes of the stream the peer has acknowledged without a gap."""
        stream = self._streams.get(STREAM)
        return 0 if stream is None else stream.sender._buffer_start

    def probe_timeout(self) -> float:
        """Return the current PTO in seconds (RFC 9002 §6.2.1)."""
        return self._loss.get_probe_timeout()

    def ended(self) -> Termination | None:
        """Return how the connection ended as soon as that is known; aioquic's event comes 3 PTO later."""
        event = self._close_event
        if event is None:
            return None
        return Termination(
            event.error_code,
            event.frame_type,
            event.reason_phrase,
            self._state is QuicConnectionState.DRAINING,
        )

    def validated_address(self) -> NetworkAddress | None:
        """Return the peer's address that was validated last, or before that the one its first packet came from.

        aioquic's own answer is where it sends to, which any packet with a forged source moves for a while.
        """
        for path in self._network_paths:
            if path.is_validated:
                return path.addr
        return self.get_peer_address()

    def peer_reset_tokens(self) -> list[bytes]:
        """Return the stateless reset tokens of the peer's connection ids that are in use or in reserve."""
        cids = [self._peer_cid, *self._peer_cid_available]
        return [cid.stateless_reset_token for cid in cids if cid.stateless_reset_token]

    # Sending

    def close(
        self,
        error_code: int = QuicErrorCode.NO_ERROR,
        frame_type: int | None = None,
        reason_phrase: str = "",
    ) -> None:
        """Close; a transport error stays one, even where aioquic forgets to name a frame type."""
        if frame_type is None and isinstance(error_code, QuicErrorCode):
            frame_type = QuicFrameType.PADDING
        super().close(error_code, frame_type, reason_phrase)

    def closing_datagrams(self, code: int, reason: str, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Close with an application error code, and build the closing packets; none without an address or a key."""
        self.close(error_code=code, reason_phrase=reason)
        return self.datagrams_to_send(now) if self._network_paths and self._cryptos else []

    def plan_ack(self, now: float) -> None:
        """Let an ACK that is waiting go out now, if there is data for it to ride on or a reason to hurry."""
        space = self.gw_space
        if space is None or space.ack_at is None or space.ack_at <= now:
            return
        stream = self._streams.get(STREAM)
        if (
            (stream is not None and not stream.sender.buffer_is_empty)
            or self.gw_received_unacked >= ACK_BYTES
            or len(space.ack_queue) != self.gw_acked_ranges
        ):
            # Just before now: aioquic holds an ACK back for pacing unless it is overdue.
            space.ack_at = now - 1e-6

    def has_output(self, now: float) -> bool:
        """Tell whether ``datagrams_to_send`` could make a packet; it costs 30 µs to find out by asking it."""
        if not self._handshake_confirmed or self._close_pending:
            return True
        space = self.gw_space
        if space is None or (space.ack_at is not None and space.ack_at <= now):
            return True
        stream = self._streams.get(STREAM)
        if stream is not None and (not stream.sender.buffer_is_empty or self._stream_control_due(stream)):
            return True
        return self._control_due()

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Build the datagrams that may go out now."""
        if self._packet_number >= self.gw_next_skip:
            self._skip_packet_number()
        if self._packet_number >= self.gw_next_rekey:
            self.gw_next_rekey = self._packet_number + self.gw_limits.rekey_after
            self.request_key_update()
        probing = self._probe_pending
        datagrams = super().datagrams_to_send(now)
        if probing and not self._probe_pending and self._handshake_confirmed and self._close_event is None:
            # Two probes, as RFC 9002 §6.2.4 allows: with 20 % loss each way a lone one fails every third time.
            self._probe_pending = True
            datagrams += super().datagrams_to_send(now)
            # Where pacing held the second one back it is not owed any more: probes ignore the congestion window,
            # so that one left pending would be followed by another with every turn.
            self._probe_pending = False
        if self.gw_space is not None and len(self.gw_space.sent_packets) > self.gw_next_prune:
            self._forget_acks(self.gw_space)
        return datagrams

    def probe_due(self, now: float) -> bool:
        """Tell whether the probe timeout has run out and may be put off once more."""
        loss = self._loss
        if self._loss_at is None or self._loss_at > now or (self._close_at is not None and self._close_at <= now):
            return False
        if loss._time_of_last_sent_ack_eliciting_packet != self.gw_held_since:
            self.gw_held = 0.0
        return self._handshake_confirmed and self.gw_held < LONGEST_HOLD and loss._get_loss_space() is None

    def hold_probe(self, now: float) -> None:
        """Put the probe off: the acknowledgement that it would ask for may have arrived and wait to be read."""
        wait = max(FIRST_HOLD, self.gw_held)
        assert self._loss_at is not None
        self.gw_held += wait
        # The timeout counts from the last packet sent. Samples of the round trip have their times elsewhere.
        self._loss._time_of_last_sent_ack_eliciting_packet += now - self._loss_at + wait
        self.gw_held_since = self._loss._time_of_last_sent_ack_eliciting_packet

    def handle_timer(self, now: float) -> None:
        """Act on what is due, and keep the probe timeout's back-off within ``LONGEST_PTO``."""
        super().handle_timer(now)
        loss = self._loss
        while loss._pto_count > 2 and self.probe_timeout() * 2**loss._pto_count > LONGEST_PTO:
            loss._pto_count -= 1

    def drop_idle_pacing(self, now: float) -> None:
        """Drop the pacing time where there is nothing left to pace; aioquic sets it nevertheless."""
        if self._pacing_at is not None and not self.has_output(now):
            self._pacing_at = None

    def _stream_control_due(self, stream: QuicStream) -> bool:
        return (
            stream.sender.reset_pending
            or stream.receiver.stop_pending
            or stream.max_stream_data_local != stream.max_stream_data_local_sent
            or self._local_max_data.sent != self._local_max_data.value
            or stream.receiver.starting_offset() + self.gw_limits.stream_window // 2 > stream.max_stream_data_local
        )

    def _control_due(self) -> bool:
        path = self._network_paths[0]
        return bool(
            self._probe_pending
            or self._ping_pending
            or self._retire_connection_ids
            or self._handshake_done_pending
            or self._streams_blocked_pending
            or not path.is_validated
            or path.remote_challenges
            or (len(self._network_paths) > 1 and self._probing_due())
            or not self._crypto_streams[Epoch.ONE_RTT].sender.buffer_is_empty
            or not all(cid.was_sent for cid in self._host_cids)
        )

    def _probing_due(self) -> bool:
        return any(
            path.remote_challenges or not (path.is_validated or path.local_challenge_sent)
            for path in self._network_paths[1:]
        )

    def _skip_packet_number(self) -> None:
        self.gw_next_skip = self._packet_number + random.randrange(SKIP_EVERY // 2, SKIP_EVERY * 2)
        if self._handshake_confirmed:
            self.gw_skipped = self._packet_number
            self._packet_number += 1

    def _forget_acks(self, space: QuicPacketSpace) -> None:
        """Forget packets that carried nothing but an ACK: a peer that acknowledges nothing never ends them."""
        for number in [number for number, packet in space.sent_packets.items() if not packet.in_flight]:
            del space.sent_packets[number]
        self.gw_next_prune = len(space.sent_packets) + self.gw_limits.max_unacked_packets

    # Steps of aioquic that are done differently

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.gw_space = self._spaces[Epoch.ONE_RTT]

    def _confirm_handshake(self) -> None:
        super()._confirm_handshake()
        # Every look at the clocks goes over all spaces, also over those that are done with.
        self._loss.spaces = [space for space in self._loss.spaces if not space.discarded]

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        if self._remote_max_idle_timeout == 0:
            # Zero means that the peer has no idle timeout (RFC 9000 §18.2), not that it has run out.
            self._remote_max_idle_timeout = None

    def _replenish_connection_ids(self) -> None:
        known = len(self._host_cids)
        super()._replenish_connection_ids()
        for cid in self._host_cids[known:]:
            self._gw_name(cid)
            # The peer may use an id as soon as it has it: it must be routed before it is sent.
            self.gw_cid_issued(cid.cid)

    def _gw_name(self, cid: QuicConnectionId) -> None:
        """Replace the id and the reset token that aioquic has chosen; nothing of them has left yet."""
        cid.cid = self.gw_connection_ids()
        if self.gw_reset_token is not None:
            cid.stateless_reset_token = self.gw_reset_token(cid.cid)

    def _write_ack_frame(self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float) -> None:
        super()._write_ack_frame(builder, space, now)
        if space is self.gw_space:
            self.gw_received_unacked = 0
            self.gw_acked_ranges = len(space.ack_queue)

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:  # noqa: ARG002
        stream = self._streams.get(STREAM)
        limit = self._local_max_data
        window = self.gw_limits.connection_window
        if stream is not None:
            delivered = stream.receiver.starting_offset()
            if delivered + window // 2 > limit.value:
                limit.value = delivered + window
        if limit.sent != limit.value:
            self._announce_connection_limit(builder, limit)

    def _announce_connection_limit(self, builder: QuicPacketBuilder, limit: Limit) -> None:
        buf = builder.start_frame(
            limit.frame_type,
            capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
            handler=self._on_connection_limit_delivery,
            handler_args=(limit,),
        )
        buf.push_uint_var(limit.value)
        limit.sent = limit.value

    def _write_stream_limits(  # the signature is aioquic's
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002
        stream: QuicStream,
    ) -> None:
        # Stock aioquic doubles the window when data arrives, wherever it lies: a few sparse frames grow it
        # to gigabytes, all of it allocated. Here only what was delivered in order moves it.
        delivered = stream.receiver.starting_offset()
        window = self.gw_limits.stream_window
        if delivered + window // 2 > stream.max_stream_data_local:
            stream.max_stream_data_local = delivered + window
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        buf = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        buf.push_uint_var(STREAM)
        buf.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local
