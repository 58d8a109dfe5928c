"""Retry tokens: has a client proved its address, moments ago and to this gateway (RFC 9000 §8.1.2)?"""

from __future__ import annotations

import os
from enum import Enum
from ipaddress import ip_address
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN_LIFETIME = 30.0
"""Seconds that a Retry token is good for: a client returns it at once (RFC 9000 §8.1.4)."""

NONCE = 12
TAG = 16


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
