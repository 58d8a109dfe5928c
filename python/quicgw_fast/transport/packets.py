"""Datagrams that are read or made without a connection: invariant headers, version negotiation, stateless resets."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CID_LENGTH = 8
"""Length of the connection ids that we choose, where nobody asks for another one (``connection_ids``)."""

MIN_INITIAL = 1200
"""A client's Initial datagram is at least this long (RFC 9000 §14.1)."""

MIN_CLIENT_CID = 8
"""A client's first destination connection id is at least this long (RFC 9000 §7.2)."""

MAX_CID = 20
"""No connection id is longer (RFC 9000 §17.2)."""

RESET_TOKEN = 16
SHORTEST_RESET = 5 + RESET_TOKEN
LONGEST_RESET = 42

VERSION_1, VERSION_2 = 1, 0x6B3343CF
VERSIONS = (VERSION_1, VERSION_2)
"""The versions that are spoken (RFC 9000 §15, RFC 9369 §3.1)."""


class LongHeader(NamedTuple):
    """What every QUIC version has at the start of a long header packet (RFC 8999 §5.1)."""

    version: int
    destination_cid: bytes
    source_cid: bytes


def pull_long_header(data: bytes) -> LongHeader | None:
    """Read the version-independent part of a long header; None when the datagram is too short for it."""
    if len(data) < 7:
        return None
    after_destination = 6 + data[5]
    if len(data) <= after_destination:
        return None
    after_source = after_destination + 1 + data[after_destination]
    if len(data) < after_source:
        return None
    return LongHeader(
        int.from_bytes(data[1:5], "big"),
        data[6:after_destination],
        data[after_destination + 1 : after_source],
    )


def packets_in(data: bytes) -> int:
    """Count the packets that a datagram claims to hold, by their lengths alone; damaged ones end the count."""
    count, at, size = 0, 0, len(data)
    while at < size:
        count += 1
        header = pull_long_header(data[at:]) if data[at] & 0x80 else None
        if header is None or header.version not in VERSIONS:
            break  # a short header packet is the last one, and so is anything that has no length
        body = at + 7 + len(header.destination_cid) + len(header.source_cid)
        kind = (data[at] & 0x30) >> 4
        if kind == (1 if header.version == VERSION_2 else 0):  # Initial: it has a token
            body = sum(_uint_var(data, body))
        at = sum(_uint_var(data, body))
    return count


def _uint_var(data: bytes, at: int) -> tuple[int, int]:
    """Return where a variable-length integer ends, and its value (RFC 9000 §16); cut off, an end beyond the data."""
    if at >= len(data):
        return len(data), 0
    end = at + (1 << (data[at] >> 6))
    mask = (1 << (8 * (end - at) - 2)) - 1
    return end, int.from_bytes(data[at:end], "big") & mask


def version_negotiation(header: LongHeader, versions: Sequence[int] = VERSIONS) -> bytes:
    """Answer a packet of an unknown version with the versions we speak (RFC 8999 §6).

    Connection ids of up to 255 bytes are echoed, as other versions may use them (RFC 9000 §17.2).
    """
    return b"".join(
        (
            bytes((0x80 | os.urandom(1)[0],)),
            bytes(4),
            bytes((len(header.source_cid),)),
            header.source_cid,
            bytes((len(header.destination_cid),)),
            header.destination_cid,
            *(version.to_bytes(4, "big") for version in versions),
        )
    )


def reset_tokens(secret: bytes) -> Callable[[bytes], bytes]:
    """Return the function that gives a connection id its stateless reset token (RFC 9000 §10.3.2).

    Whoever has the secret can end the connections whose ids were made with it, and so can a process that gets
    their packets: two gateways must not share one.
    """
    key = reset_token_key(secret)

    def token(cid: bytes) -> bytes:
        return hmac.digest(key, cid, hashlib.sha256)[:RESET_TOKEN]

    return token


def reset_token_key(secret: bytes) -> bytes:
    """Return the key whose HMAC-SHA256 of a connection id begins with its stateless reset token."""
    return HKDF(SHA256(), 32, salt=None, info=b"quicgw stateless reset").derive(secret)


def stateless_reset(received: int, token: bytes) -> bytes | None:
    """Make a stateless reset for a packet of ``received`` bytes; None when it would not be shorter.

    It is always shorter than its cause, so that two endpoints cannot reset each other for ever
    (RFC 9000 §10.3.3).
    """
    size = min(received - 1, LONGEST_RESET)
    if size < SHORTEST_RESET:
        return None
    noise = os.urandom(size - RESET_TOKEN)
    return bytes(((noise[0] & 0x3F) | 0x40,)) + noise[1:] + token


def carries_token(data: bytes, tokens: Sequence[bytes]) -> bool:
    """Tell whether a datagram ends with one of the tokens, in constant time (RFC 9000 §10.3.1)."""
    if len(data) < SHORTEST_RESET:
        return False
    end = data[-RESET_TOKEN:]
    found = False
    for token in tokens:
        found |= hmac.compare_digest(end, token)
    return found
