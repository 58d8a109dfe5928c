"""What goes out, and when: ``SendingQuic``, the sending half of our connection.

aioquic answers every datagram with an ACK of its own, builds a packet to find out that there is none, and doubles its
probe timeout without an end. Here an ACK waits a moment for data to ride on, whether there is anything to send is
seen before it is tried, and a probe is neither sent too early (its answer may have arrived and wait to be read) nor
put off for long. Packet numbers are left out now and then, so that acknowledging what was never received shows, and
keys are renewed before they are used up.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from quicgw_fast.transport.aioquic.receiving import ReceivingQuic
from quicgw_fast.transport.aioquic.short_receiving import STREAM, ranges_of
from quicgw_fast.transport.termination import Finding

if TYPE_CHECKING:
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import NetworkAddress
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream

    from quicgw_fast.transport.limits import TransportLimits

ACK_BYTES = 2000
"""Two nearly full datagrams received without an ACK are acknowledged at once (RFC 9000 §13.2.2)."""

DIALER_ACK_DELAY = 0.02
"""Seconds that a dialer's ACK waits, below the 25 ms that aioquic tells the peer."""

LONGEST_PTO = 2.0
"""Seconds between probes at most (or 4 PTO): unbounded doubling leaves a link that was dead for ten seconds
dead for ten more. A packet every two seconds congests nothing."""

FIRST_HOLD = 0.005
LONGEST_HOLD = 1.0
"""Seconds that a probe waits for datagrams that are there but not read: at first (doubled each time), and in all."""

SKIP_EVERY = 512
"""About every so many packets a number is left out; who acknowledges it is lying (RFC 9000 §21.4)."""


class SendingQuic(ReceivingQuic):
    """An aioquic connection with our rules of ACKs, probes and packet numbers."""

    def __init__(self, *, configuration: QuicConfiguration, limits: TransportLimits, **options: Any) -> None:
        super().__init__(configuration=configuration, limits=limits, **options)
        self._ack_delay = min(limits.ack_delay, DIALER_ACK_DELAY) if configuration.is_client else limits.ack_delay
        self.gw_received_unacked = 0
        """Bytes received since the last ACK went out."""
        self.gw_acked_ranges = 1
        """Ranges of packet numbers in the last ACK: one more or less is worth an ACK at once."""
        self.gw_next_prune = limits.max_unacked_packets
        self.gw_next_skip = random.randrange(SKIP_EVERY // 4, SKIP_EVERY)
        self.gw_next_rekey = limits.rekey_after
        self.gw_held = 0.0
        """Seconds that the probe that is due has been put off in all."""
        self.gw_held_since = -1.0
        """The time of the last packet as ``hold_probe`` has set it; another one means that a packet was sent since."""

    # What the connection asks

    def probe_timeout(self) -> float:
        """Return the current PTO in seconds (RFC 9002 §6.2.1)."""
        return self._loss.get_probe_timeout()

    def plan_ack(self, now: float) -> None:
        """Let an ACK that is waiting go out now, if there is data for it to ride on or a reason to hurry."""
        space = self.gw_space
        if space.ack_at is None or space.ack_at <= now:
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
        stream, space = self._streams.get(STREAM), self.gw_space
        if not self._handshake_confirmed or self._close_pending:
            return True
        if space.ack_at is not None and space.ack_at <= now:
            return True
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
        space = self.gw_space
        if space.ack_at is None:  # an ACK of all went along, or none is owed
            self.gw_received_unacked = 0
            self.gw_acked_ranges = len(ranges_of(space.ack_queue))
        if probing and not self._probe_pending and self._handshake_confirmed and self._close_event is None:
            # Two probes, as RFC 9002 §6.2.4 allows: with 20 % loss each way a lone one fails every third time.
            self._probe_pending = True
            datagrams += super().datagrams_to_send(now)
            # Where pacing held the second one back it is not owed any more: probes ignore the congestion window,
            # so that one left pending would be followed by another with every turn.
            self._probe_pending = False
        if len(space.sent_packets) > self.gw_next_prune:
            self._forget_acks(space)
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
        if self._close_event is None and self._close_at is not None and now >= self._close_at:
            self.gw_finding = Finding.NOTHING_HEARD
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

    def _confirm_handshake(self) -> None:
        super()._confirm_handshake()
        # Every look at the clocks goes over all spaces, also over those that are done with.
        self._loss.spaces = [space for space in self._loss.spaces if not space.discarded]
