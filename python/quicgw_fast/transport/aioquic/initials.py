"""The first packets of connections that do not exist yet: do they authenticate, and is their Retry token ours?

Nothing is built for a packet before these questions are answered: both are far cheaper than a connection.
"""

from __future__ import annotations

import hmac
import os
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY
from aioquic.quic.crypto import INITIAL_SALT_VERSION_1, INITIAL_SALT_VERSION_2, CryptoPair
from aioquic.quic.packet import QuicFrameType, QuicPacketType, QuicProtocolVersion
from aioquic.quic.packet_builder import QuicPacketBuilder
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from quicgw_fast.transport.packets import MIN_INITIAL, LongHeader

if TYPE_CHECKING:
    from aioquic.quic.packet import QuicHeader

TOKEN_LIFETIME = 30.0
"""Seconds that a Retry token is good for: a client returns it at once (RFC 9000 §8.1.4)."""

NONCE = 12
TAG = 16
SAMPLE = 16


def _info(label: bytes, size: int) -> bytes:
    """HkdfLabel (RFC 8446 §7.1), with the counter of HKDF-Expand's first and only block behind it."""
    whole = b"tls13 " + label
    return size.to_bytes(2, "big") + bytes((len(whole),)) + whole + b"\x00\x01"


_CLIENT = _info(b"client in", 32)
# Salt, and the labels of key, IV and header protection (RFC 9001 §5.1 and §5.2, RFC 9369 §3.3).
_SCHEDULE = {
    int(QuicProtocolVersion.VERSION_1): (
        INITIAL_SALT_VERSION_1, _info(b"quic key", 16), _info(b"quic iv", 12), _info(b"quic hp", 16)
    ),
    int(QuicProtocolVersion.VERSION_2): (
        INITIAL_SALT_VERSION_2, _info(b"quicv2 key", 16), _info(b"quicv2 iv", 12), _info(b"quicv2 hp", 16)
    ),
}  # fmt: skip


def authenticates(data: bytes, header: QuicHeader, payload: int) -> bool:
    """Tell whether the Initial at the start of ``data`` decrypts with the keys that its connection id gives.

    ``payload`` is where the header's length field ends. Anybody can make such a packet, but only by doing the
    same work; what does not authenticate is noise, or was damaged.
    """
    end = header.packet_length
    sample = payload + 4
    if sample + SAMPLE > end or header.version is None:
        return False
    salt, key, iv, protection = _SCHEDULE[header.version]
    secret = hmac.digest(hmac.digest(salt, header.destination_cid, "sha256"), _CLIENT, "sha256")
    mask = _mask(hmac.digest(secret, protection, "sha256")[:16], data[sample : sample + SAMPLE])
    first = data[0] ^ (mask[0] & 0x0F)
    start = payload + (first & 0x03) + 1
    number = int.from_bytes(data[payload:start], "big") ^ int.from_bytes(mask[1 : 1 + start - payload], "big")
    nonce = int.from_bytes(hmac.digest(secret, iv, "sha256")[:NONCE], "big") ^ number
    associated = bytes((first,)) + data[1:payload] + number.to_bytes(start - payload, "big")
    try:
        AESGCM(hmac.digest(secret, key, "sha256")[:16]).decrypt(
            nonce.to_bytes(NONCE, "big"), data[start:end], associated
        )
    except InvalidTag:
        return False
    return True


def _mask(key: bytes, sample: bytes) -> bytes:
    # One block, used as a mask: how QUIC protects headers (RFC 9001 §5.4.3), not a way to encrypt anything.
    return Cipher(AES(key), ECB()).encryptor().update(sample)


class Standing(Enum):
    """What the token of an Initial says about its sender."""

    UNKNOWN = "unknown"
    """No token, or none that this gateway made: as good as none (RFC 9000 §8.1.3)."""
    PROVEN = "proven"
    """The sender received our Retry at its address, moments ago."""
    WRONG = "wrong"
    """Our Retry token, but too old, from another address, or for another connection. Its client takes no second
    Retry, so that INVALID_TOKEN is all that spares it a time-out (RFC 9000 §8.1.2)."""


class Token(NamedTuple):
    """A judged token; ``original`` is the connection id that the client chose, empty unless it is proven."""

    standing: Standing
    original: bytes = b""


class RetryTokens:
    """Makes the tokens of Retry packets and knows them again; the key lives as long as the process.

    A token of an earlier process is unknown, like any other that is not ours. Its client then sees a handshake
    that ignores its Retry, gives up and comes back; that takes a restart within its round trip.
    """

    def __init__(self) -> None:
        self._aead = AESGCM(AESGCM.generate_key(128))

    def make(self, address: Any, original: bytes, source: bytes, now: float) -> bytes:
        """Make the token for a client at ``address`` that named ``original`` and is given ``source`` (``now``: s)."""
        nonce = os.urandom(NONCE)
        parts = (_packed(address), original, source)
        plain = int(now * 1000).to_bytes(8, "big") + b"".join(bytes((len(part),)) + part for part in parts)
        return nonce + self._aead.encrypt(nonce, plain, None)

    def judge(self, token: bytes, address: Any, destination: bytes, now: float) -> Token:
        """Judge the token of an Initial that came from ``address`` for the connection id ``destination``."""
        if len(token) <= NONCE + TAG:
            return Token(Standing.UNKNOWN)
        try:
            plain = self._aead.decrypt(token[:NONCE], token[NONCE:], None)
        except InvalidTag:
            return Token(Standing.UNKNOWN)
        parts, at = [], 8
        while at < len(plain):
            parts.append(plain[at + 1 : at + 1 + plain[at]])
            at += 1 + plain[at]
        fresh = now - int.from_bytes(plain[:8], "big") / 1000 <= TOKEN_LIFETIME
        if not fresh or parts[0] != _packed(address) or parts[2] != destination:
            return Token(Standing.WRONG)
        return Token(Standing.PROVEN, parts[1])


def _packed(address: Any) -> bytes:
    return ip_address(address[0].partition("%")[0]).packed + int(address[1]).to_bytes(2, "big")


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
