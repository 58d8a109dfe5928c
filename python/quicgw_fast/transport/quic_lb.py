"""Connection ids by which a load balancer that keeps no state finds the server of a connection (QUIC-LB).

draft-ietf-quic-load-balancers: behind a first byte, whose upper three bits name the configuration, an id has the server
id and a nonce, both encrypted where there is a key. The five lower bits, by which an id may tell its length, are the
caller's here, as they lead to one of several processes (``connection_ids``). Nothing in this module is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

KEY_LENGTH: Final = 16
"""Bytes of a key: AES-128."""
BLOCK: Final = 16
"""Bytes of a block of AES: server id and nonce of that length are encrypted in a single pass."""
UNROUTABLE: Final = 7
"""The configuration id of ids that name no server (Configuration Failover)."""
VARIANTS: Final = 32
"""Values that the first byte has for one configuration id."""


class Routed(NamedTuple):
    """What an id says to those who can read it."""

    server_id: bytes
    nonce: bytes


@dataclass(frozen=True)
class QuicLb:
    """A configuration, as a balancer and one of its servers have it; its bounds are those of ``[quic_lb]``."""

    config_id: int
    server_id: bytes
    nonce_length: int
    """Bytes."""
    key: bytes | None = field(default=None, repr=False)
    """Without one anybody can read the ids."""

    @property
    def length(self) -> int:
        """Bytes of an id."""
        return 1 + len(self.server_id) + self.nonce_length

    def encode(self, first: bytes, nonce: bytes) -> bytes:
        """Make the id that begins with ``first``, one of ``first_bytes``; a nonce is for one id alone."""
        plain = self.server_id + nonce
        return first + (plain if self._permutation is None else self._permutation.encrypt(plain))

    def decode(self, cid: bytes) -> Routed | None:
        """Read an id, behind which more may follow; None for one of another configuration, or too short."""
        if len(cid) < self.length or cid[0] not in first_bytes(self.config_id):
            return None
        plain = cid[1 : self.length]
        if self._permutation is not None:
            plain = self._permutation.decrypt(plain)
        return Routed(plain[: len(self.server_id)], plain[len(self.server_id) :])

    @cached_property
    def _permutation(self) -> Permutation | None:
        return None if self.key is None else Permutation(self.key, self.length - 1)


def first_bytes(config_id: int) -> range:
    """Return what the ids of a configuration may begin with."""
    return range(config_id * VARIANTS, (config_id + 1) * VARIANTS)


class Permutation:
    """Encrypts texts of one length, of which none becomes longer: with AES itself, or in a network of Feistel's."""

    def __init__(self, key: bytes, length: int) -> None:
        """``length`` is in bytes, from 4 to 19."""
        # Single blocks, each of its own: what the draft asks for, and no way to encrypt anything else.
        cipher = Cipher(AES(key), ECB())
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update
        self._length = length
        self._half = (length + 1) // 2
        self._spare = 4 * (length % 2)
        """Bits of a half that are none of its own: of an odd number of bytes each half has four bits of the middle."""
        self._bits = 4 * length
        self._behind = [bytes(BLOCK - 2 - self._half) + bytes((length, number)) for number in range(5)]
        """What makes half a text a block, by the number of the pass."""

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt a text."""
        if self._length == BLOCK:
            return self._encrypt(plain)
        left, right = self._split(plain)
        right ^= self._from_left(1, left)
        left ^= self._from_right(2, right)
        right ^= self._from_left(3, left)
        left ^= self._from_right(4, right)
        return self._joined(left, right)

    def decrypt(self, text: bytes) -> bytes:
        """Decrypt what ``encrypt`` made."""
        if self._length == BLOCK:
            return self._decrypt(text)
        left, right = self._split(text)
        left ^= self._from_right(4, right)
        right ^= self._from_left(3, left)
        left ^= self._from_right(2, right)
        right ^= self._from_left(1, left)
        return self._joined(left, right)

    # The halves are numbers. As bytes the left one has its spare bits behind it, and the right one before it.

    def _split(self, text: bytes) -> tuple[int, int]:
        whole = int.from_bytes(text, "big")
        return whole >> self._bits, whole & (1 << self._bits) - 1

    def _joined(self, left: int, right: int) -> bytes:
        return (left << self._bits | right).to_bytes(self._length, "big")

    def _from_left(self, number: int, left: int) -> int:
        """Of pass ``number``: what the right half is combined with."""
        return self._pass(number, left << self._spare) & (1 << self._bits) - 1

    def _from_right(self, number: int, right: int) -> int:
        return self._pass(number, right) >> self._spare

    def _pass(self, number: int, half: int) -> int:
        block = half.to_bytes(self._half, "big") + self._behind[number]
        return int.from_bytes(self._encrypt(block)[: self._half], "big")
