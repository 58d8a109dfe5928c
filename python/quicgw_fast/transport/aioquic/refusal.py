"""Refusing a connection in its first packet, without keeping any state for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder

from quicgw_fast.transport.packets import MIN_INITIAL

if TYPE_CHECKING:
    from quicgw_fast.transport.packets import LongHeader


def refusal(header: LongHeader, error_code: int, reason: str = "") -> bytes:
    """Close a connection in its first packet without keeping any state for it (RFC 9000 §5.2.2, §8.1.3).

    Only a transport error can be said there (§10.2.3), so that what our clients understand is in ``reason``.
    """
    phrase = reason.encode()
    crypto = CryptoPair()
    crypto.setup_initial(cid=header.destination_cid, is_client=False, version=header.version)
    builder = QuicPacketBuilder(
        host_cid=header.destination_cid,
        is_client=False,
        max_datagram_size=MIN_INITIAL,
        peer_cid=header.source_cid,
        version=header.version,
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    buf = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY + len(phrase))
    buf.push_uint_var(error_code)
    buf.push_uint_var(QuicFrameType.PADDING)
    buf.push_uint_var(len(phrase))
    buf.push_bytes(phrase)
    datagrams, _ = builder.flush()
    return datagrams[0]
