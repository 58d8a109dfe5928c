"""Every bound of the transport stage in one place; sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.config import SessionConfig

KIB = 1024
MIB = 1024 * KIB
UPWARD_WINDOW = 64 * KIB
"""Bytes that a client may have on its way to a gateway. What it acknowledges stands behind them: of more, in small
requests, the replies would not fit into the window of its session before that is read (protocol §5)."""
LEAST_BACKLOG = 16 * MIB
"""Bytes that clients together may leave unacknowledged by QUIC, however small ``session.memory`` is."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """How much one peer, and all peers together, may take; who may connect at all is the gatekeeper's to say."""

    high_water: int = 512 * KIB
    """Unacknowledged bytes to one peer above which the stall clock runs and ``writable`` is owed."""

    low_water: int = 128 * KIB
    """``writable`` is called when the unacknowledged bytes fall to this again."""

    stall_timeout: float = 10.0
    """Above ``high_water`` without a byte of progress for this long: the peer is closed as SLOW_CONSUMER."""

    backlog: int = 256 * MIB
    """Unacknowledged bytes to all peers together; beyond, those with most of them are closed as SLOW_CONSUMER."""

    handshake_timeout: float = 5.0
    """A handshake that takes longer is forgotten."""

    idle_timeout: float = 60.0
    """Nothing heard for this long ends a connection; the smaller value of both sides counts."""

    stream_window: int = 256 * KIB
    """Bytes a peer may send on its stream beyond what was delivered."""

    connection_window: int = 512 * KIB
    """The same for the whole connection."""

    max_gaps: int = 128
    """Holes in the received stream at most: each costs time on every frame. Far more than loss can make."""

    max_crypto: int = 16 * KIB
    """Bytes of TLS messages a client may send per encryption level; a ClientHello has a few hundred."""

    max_crypto_gaps: int = 16
    """Holes in those at most. Clients that scatter a ClientHello on purpose make up to ten."""

    max_frames: int = 128
    """Frames and ranges of acknowledged packets in one packet at most; more is nobody's way to say something."""

    max_early_frames: int = 64
    """The same in a packet of the handshake, which costs its sender nothing but the packet."""

    max_coalesced: int = 8
    """Packets in one datagram at most; one per encryption level, and some in case, are what is needed."""

    max_datagram: int = 2048
    """Longer datagrams are dropped unread; advertised as max_udp_payload_size (RFC 9000 §18.2)."""

    early_datagrams: int = 40
    """Datagrams read per connection before its handshake is complete; four or five are what it takes."""

    cpu_share: float = 0.05
    """Part of a processor that one peer's packets may use without moving any data."""

    cpu_burst: float = 0.05
    """Seconds of processor time that a peer may save up; a handshake takes about 3 ms. What it does not earn fills
    half of it."""

    cpu_per_datagram: float = 0.001
    """Seconds that are counted for one datagram at most, as the other limits keep it about there. What takes longer
    is not the peer's doing: garbage collection, or another process that had the processor meanwhile."""

    cpu_per_byte: float = 0.25e-6
    """Seconds earned by each stream byte received in order or acknowledged; bulk costs about a quarter of it."""

    cpu_per_step: float = 200e-6
    """Seconds earned at least by a datagram that moved any; a short request costs about a quarter of it."""

    cpu_common_share: float = 0.2
    """Part of a processor that the packets of all peers together may use without moving any data, where those peers
    have no reserve: they have just come, or keep us busy. Else many connections would have as many shares."""

    cpu_common_burst: float = 0.1
    """Seconds of that which may be used at once."""

    cpu_login: float = 0.002
    """Seconds of reserve that a peer has when its handshake is complete, until it earns its own."""

    max_unacked_packets: int = 2048
    """Packets remembered until they are acknowledged; beyond, those that carry nothing but an ACK are forgotten."""

    socket_buffer: int = 4 * MIB
    """SO_RCVBUF and SO_SNDBUF asked for; 208 KiB lose thousands of packets with 200 busy clients."""

    drain: int = 64
    """Datagrams read per wake-up before the loop gets its turn again."""

    drain_least: int = 8
    """Datagrams read per wake-up however long they take: what a peer sent in one go is seen in one go, also when
    another process had the processor meanwhile."""

    drain_time: float = 0.005
    """Seconds of reading per wake-up, likewise."""

    crowded_drain: int = 512
    """Datagrams read per wake-up while reading has rests: what a peer sent meanwhile is handled as one, and what that
    costs is most of what it costs to refuse."""

    newcomers_time: float = 0.002
    """Seconds of a turn of the loop for handshakes and who has just come, where aioquic does QUIC: one handshake."""

    ack_delay: float = 0.045
    """How long a listener's ACK waits for an answer to ride on: also when many wait for theirs. A dialer's waits for
    20 ms, as it is not the peer's load that its data wait for."""

    max_ack_delay: float = 0.05
    """What a listener tells its peers of that (RFC 9000 §18.2), with some room for a busy loop: so long they wait for
    an ACK, besides the round trip, before they send again."""

    linger: float = 1.0
    """How long a close waits for what was sent before it to be acknowledged."""

    rekey_after: int = 1 << 22
    """Packets sent under one key; AES-GCM allows 2^23 (RFC 9001 §6.6)."""

    stateless_reset: bool = True
    """Answer packets of unknown connections with a stateless reset. Must be off where several processes
    share one port, as a packet that strays into the wrong process would end a healthy connection."""

    short_path: bool = True
    """Whether aioquic is passed by where a packet is plain (``aioquic/short_receiving.py``)."""

    @classmethod
    def of(cls, session: SessionConfig, *, short_path: bool = True) -> TransportLimits:
        """The limits of a listener, as they are configured."""
        return cls(
            short_path=short_path,
            # What sessions retain is there a second time while their clients' QUIC has not acknowledged it.
            backlog=max(session.memory, LEAST_BACKLOG),
            # A silent client is closed with IDLE by its session first; QUIC's own timeout comes behind it.
            idle_timeout=session.timeout + 5.0,
            stall_timeout=session.slow_consumer_after,
            stream_window=UPWARD_WINDOW,
        )

    def __post_init__(self) -> None:
        if not 0 <= self.low_water <= self.high_water:
            raise ValueError("low_water must lie between 0 and high_water")
        if self.max_datagram < 1200:
            raise ValueError("max_datagram must be at least 1200: every QUIC peer may send that much")
        if self.ack_delay >= self.max_ack_delay:
            raise ValueError(f"ack_delay must stay below the advertised max_ack_delay of {self.max_ack_delay:g} s")
