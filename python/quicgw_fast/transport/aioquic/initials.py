"""The first packets of connections that do not exist yet: do they authenticate?

Nothing is built for a packet before that is answered: it is far cheaper than a connection.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aioquic.quic.crypto import INITIAL_SALT_VERSION_1, INITIAL_SALT_VERSION_2
from aioquic.quic.packet import QuicProtocolVersion
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

if TYPE_CHECKING:
    from aioquic.quic.packet import QuicHeader

NONCE = 12
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
