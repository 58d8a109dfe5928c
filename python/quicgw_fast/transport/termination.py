"""How QUIC ended a connection, and what that means to the application and to who watches handshakes."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from quicgw_fast.codes import CloseCode, HandshakeFault
from quicgw_fast.printable import printable

TLS_ALERTS = range(0x100, 0x200)
"""QUIC's error codes for TLS alerts (RFC 9001 §4.8)."""

NO_APPLICATION_PROTOCOL = 0x100 + 120
CONNECTION_REFUSED = 2
INVALID_TOKEN = 11
NO_VIABLE_PATH = 16
"""Transport error codes (RFC 9000 §20.1)."""


class Finding(Enum):
    """What this side found, where no code of QUIC or TLS tells it apart: a maker has to say it by itself."""

    NOTHING_HEARD = "nothing was heard from the peer for too long"
    EXPIRED = "a certificate has expired"
    NOT_YET_VALID = "a certificate is not valid yet"
    ANOTHER_NAME = "the certificate is for another name"
    UNKNOWN_AUTHORITY = "nobody who is trusted vouches for the certificate"


class Termination(NamedTuple):
    """How a connection ended: an application close when ``frame_type`` is None, else a transport one."""

    error_code: int
    frame_type: int | None
    reason: str
    by_peer: bool
    finding: Finding | None = None


class End(NamedTuple):
    """How a connection ends, as its handler is told and as the closing packet says."""

    code: int
    reason: str
    by_peer: bool = False


def end_of(ended: Termination) -> End:
    """Translate how QUIC ended a connection into an application code and a reason phrase."""
    if ended.frame_type is None:
        return End(ended.error_code, ended.reason, ended.by_peer)
    detail = f"QUIC error {ended.error_code:#x} {printable(ended.reason, 128)}".rstrip()
    if ended.by_peer:
        code = CloseCode.NORMAL if ended.error_code == 0 else CloseCode.INTERNAL
    elif ended.finding is Finding.NOTHING_HEARD:
        return End(CloseCode.IDLE, CloseCode.IDLE.phrase("nothing was heard from the peer"))
    elif ended.error_code == NO_VIABLE_PATH:
        code = CloseCode.INTERNAL
    else:
        code = CloseCode.PROTOCOL_ERROR
    return End(code, code.phrase(detail), ended.by_peer)


def fault_of(ended: Termination | None) -> HandshakeFault:
    """Tell why a handshake failed; QUIC itself (None) has not ended one that we gave up."""
    if ended is None:
        return HandshakeFault.TIMEOUT
    if ended.frame_type is not None:
        if ended.error_code == NO_APPLICATION_PROTOCOL:
            return HandshakeFault.ALPN
        if ended.error_code in TLS_ALERTS:
            return HandshakeFault.TLS
    if ended.by_peer:
        return HandshakeFault.LEFT
    return HandshakeFault.PROTOCOL
