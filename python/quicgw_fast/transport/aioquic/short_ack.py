"""An ACK on the short path: the packets that it names are done with, and the round trip is measured.

It does what aioquic's ``on_ack_received`` does, without its sets and lists of numbers: nearly every ACK is for the
one or two packets that went last. As soon as an older one is missing, aioquic looks for losses itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from aioquic.quic.packet_builder import QuicDeliveryState

if TYPE_CHECKING:
    from aioquic.quic.packet_builder import QuicSentPacket
    from aioquic.quic.recovery import QuicPacketRecovery, QuicPacketSpace

Ack: TypeAlias = tuple[int, list[tuple[int, int]]]
"""The encoded delay, and the first and last numbers of each range, from the largest on down."""

ACKED = QuicDeliveryState.ACKED


def take_ack(loss: QuicPacketRecovery, space: QuicPacketSpace, ack: Ack, delay_exponent: int, now: float) -> None:
    """Take an ACK of packets that were sent; ``now`` in seconds."""
    delay, ranges = ack
    largest = ranges[0][1]
    sent = space.sent_packets
    if largest > space.largest_acked_packet:
        space.largest_acked_packet = largest
    newest: QuicSentPacket | None = None
    eliciting = False
    for number in _acked(sent, ranges):
        newest = packet = sent.pop(number)
        if packet.is_ack_eliciting:
            eliciting = True
            space.ack_eliciting_in_flight -= 1
        if packet.in_flight:
            loss._cc.on_packet_acked(packet=packet, now=now)
        for handler, arguments in packet.delivery_handlers:
            handler(ACKED, *arguments)
    if newest is None:
        return
    if eliciting and newest.packet_number == largest and newest.sent_time is not None:
        _sample(loss, now - newest.sent_time, (delay << delay_exponent) / 1000000, now)
    space.loss_time = None
    for oldest in sent:
        if oldest < space.largest_acked_packet:
            loss._detect_loss(now=now, space=space)
        break
    loss._pto_count = 0


def _acked(sent: dict[int, QuicSentPacket], ranges: list[tuple[int, int]]) -> list[int]:
    """Return the numbers of sent packets in the ranges; they are sent, and so kept, in their order."""
    first, last = ranges[0]
    numbers = []
    for number in sent:
        if number > last:
            break
        if number >= first or any(low <= number <= high for low, high in ranges):
            numbers.append(number)
    return numbers


def _sample(loss: QuicPacketRecovery, latest: float, delay: float, now: float) -> None:
    """Take a sample of the round trip (RFC 9002 §5), as aioquic does."""
    if delay > loss.max_ack_delay:
        delay = loss.max_ack_delay
    adjusted = max(0.001, latest)
    if adjusted < loss._rtt_min:
        loss._rtt_min = adjusted
    if adjusted > loss._rtt_min + delay:
        adjusted -= delay
    loss._rtt_latest = adjusted
    if loss._rtt_initialized:
        loss._rtt_variance = 3 / 4 * loss._rtt_variance + 1 / 4 * abs(loss._rtt_min - adjusted)
        loss._rtt_smoothed = 7 / 8 * loss._rtt_smoothed + 1 / 8 * adjusted
    else:
        loss._rtt_first_sample_time = now
        loss._rtt_initialized = True
        loss._rtt_variance = latest / 2
        loss._rtt_smoothed = latest
    loss._cc.on_rtt_measurement(now=now, rtt=latest)
    loss._pacer.update_rate(congestion_window=loss._cc.congestion_window, smoothed_rtt=loss._rtt_smoothed)
