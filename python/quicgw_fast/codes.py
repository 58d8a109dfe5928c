"""Numbers of the wire that several stages share (protocol §1 and §6)."""

from __future__ import annotations

from enum import Enum, IntEnum


class CloseCode(IntEnum):
    """QUIC application error codes (protocol §6). The reason phrase begins with the member's name."""

    NORMAL = 0
    AUTH_FAILED = 0x101
    PROTOCOL_ERROR = 0x102
    SUPERSEDED = 0x103
    KICKED = 0x104
    TOKEN_EXPIRED = 0x105
    IDLE = 0x201
    OVERLOADED = 0x202
    DRAINING = 0x203
    SLOW_CONSUMER = 0x204
    INTERNAL = 0x205

    def phrase(self, detail: str = "") -> str:
        """Return the reason phrase that goes with the code, for example ``IDLE: no message for 300 s``."""
        return f"{self.name}: {detail}" if detail else self.name


class HandshakeFault(Enum):
    """Why a handshake came to nothing."""

    ALPN = "alpn"
    """The client offers another application protocol, or none."""
    TLS = "tls"
    """Any other TLS alert, of either side: mostly a client that does not trust the certificate."""
    TIMEOUT = "timeout"
    """The client went silent."""
    LEFT = "left"
    """The client closed without an error."""
    PROTOCOL = "protocol"
    """The client broke a rule of QUIC."""


class RequestType(IntEnum):
    """What a client's message is."""

    UNKNOWN = 0
    START = 1
    STOP = 2
    HEARTBEAT = 3
    BUSINESS = 4
    ACK = 5


class PushType(IntEnum):
    """What a message to the client is."""

    UNKNOWN = 0
    START_RESP = 1
    HEARTBEAT_RESP = 2
    BUSINESS_DATA = 3
    ERROR = 4


class ResetReason(IntEnum):
    """Why a resume was answered by a fresh session (protocol §5)."""

    NONE = 0
    UNKNOWN_SESSION = 1
    EXPIRED = 2
    OVERFLOW = 3
    EPOCH = 4
    FUTURE_ACK = 5
    NOT_RETAINED = 6
    NODE_LOST = 7


class SyncHint(IntEnum):
    """Where a notify belongs in relation to a response (protocol §4)."""

    IMMEDIATELY = 0
    BEFORE_RESPONSE = 1
    AFTER_RESPONSE = 2
