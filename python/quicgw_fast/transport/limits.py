"""Every bound of the transport stage in one place; sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """How much one peer, and all peers together, may take."""

    max_connections: int = 50_000
    """Connections of one listener, half-open ones included; more are refused with CONNECTION_REFUSED."""

    high_water: int = 512 * KIB
    """Unacknowledged bytes to one peer above which the stall clock runs and ``writable`` is owed."""

    low_water: int = 128 * KIB
    """``writable`` is called when the unacknowledged bytes fall to this again."""

    stall_timeout: float = 10.0
    """Above ``high_water`` without a byte of progress for this long: the peer is closed as SLOW_CONSUMER."""

    retry_above: int = 64
    """Half-open connections above which a client first has to prove its address (Retry, RFC 9000 §8.1.2)."""

    max_half_open: int = 512
    """Handshakes under way at most; Initial packets beyond are dropped and the client tries again."""

    handshake_timeout: float = 5.0
    """A handshake that takes longer is forgotten."""

    handshakes_per_address: tuple[float, int] = (200.0, 2000)
    """Rate per second and burst of handshakes from one IPv4 address or IPv6 /64."""

    idle_timeout: float = 60.0
    """Nothing heard for this long ends a connection; the smaller value of both sides counts."""

    stream_window: int = 256 * KIB
    """Bytes a peer may send on its stream beyond what was delivered."""

    connection_window: int = 512 * KIB
    """The same for the whole connection."""

    max_gaps: int = 512
    """Holes in the received stream at most: each costs time on every frame. Far more than loss can make."""

    max_crypto: int = 16 * KIB
    """Bytes of TLS messages a client may send per encryption level; a ClientHello has a few hundred."""

    socket_buffer: int = 4 * MIB
    """SO_RCVBUF and SO_SNDBUF asked for; 208 KiB lose thousands of packets with 200 busy clients."""

    drain: int = 64
    """Datagrams read per wake-up before the loop gets its turn again."""

    ack_delay: float = 0.02
    """How long an ACK waits for data to ride on; below the advertised max_ack_delay of 25 ms."""

    linger: float = 1.0
    """How long a close waits for what was sent before it to be acknowledged."""

    rekey_after: int = 1 << 22
    """Packets sent under one key; AES-GCM allows 2^23 (RFC 9001 §6.6)."""

    stateless_reset: bool = True
    """Answer packets of unknown connections with a stateless reset. Must be off where several processes
    share one port, as a packet that strays into the wrong process would end a healthy connection."""

    def __post_init__(self) -> None:
        if not 0 <= self.low_water <= self.high_water:
            raise ValueError("low_water must lie between 0 and high_water")
        if self.ack_delay >= 0.025:
            raise ValueError("ack_delay must stay below the advertised max_ack_delay of 0.025 s")
