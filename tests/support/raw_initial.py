"""Initial packets with whatever frames one likes: their keys are public (RFC 9001 §5.2)."""

from __future__ import annotations

import os
from time import monotonic

from aioquic.buffer import encode_uint_var
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicPacketType, encode_long_header_first_byte
from aioquic.tls import Epoch

SMALLEST = 1200
TAG = 16


def first_packet(version: int = 1, **options: object) -> bytes:
    """A client's valid first datagram."""
    options = {"alpn_protocols": ["gatesvr"], "server_name": "x", "supported_versions": [version], **options}
    quic = QuicConnection(configuration=QuicConfiguration(**options))  # type: ignore[arg-type]
    quic.connect(("127.0.0.1", 1), now=monotonic())
    return quic.datagrams_to_send(now=monotonic())[0][0]


def hello_of() -> tuple[bytes, bytes]:
    """A connection id and the ClientHello of the client that has it, which must be its source."""
    quic = QuicConnection(
        configuration=QuicConfiguration(alpn_protocols=["gatesvr"], server_name="x", supported_versions=[1])
    )
    quic.connect(("127.0.0.1", 1), now=0.0)
    return quic.host_cid, bytes(quic._crypto_streams[Epoch.INITIAL].sender._buffer)


def destination_of(datagram: bytes) -> bytes:
    """The connection id that a long header packet is sent to."""
    return datagram[6 : 6 + datagram[5]]


def crypto(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\x06" + encode_uint_var(offset) + encode_uint_var(len(data)) + data


class InitialMaker:
    """Makes the Initial packets of one client that need not exist."""

    def __init__(
        self,
        destination: bytes | None = None,
        version: int = 1,
        size: int = SMALLEST,
        source: bytes | None = None,
    ) -> None:
        self.destination = destination if destination is not None else os.urandom(8)
        self.source = source if source is not None else os.urandom(8)
        self.number = 0
        self._version = version
        self._size = size
        self._crypto = CryptoPair()
        self._crypto.setup_initial(self.destination, is_client=True, version=version)

    def room(self, token: bytes = b"") -> int:
        """How many bytes of frames fit."""
        return self._size - len(self._header(0, token)) - 2 - TAG

    def packet(self, frames: bytes, token: bytes = b"") -> bytes:
        """One datagram with one Initial: the frames, and padding up to the size."""
        plain = frames.ljust(self.room(token), b"\0")
        header = self._header(len(plain) + 2 + TAG, token) + self.number.to_bytes(2, "big")
        data = self._crypto.encrypt_packet(header, plain, self.number)
        self.number += 1
        return data

    def _header(self, length: int, token: bytes) -> bytes:
        return b"".join(
            (
                bytes((encode_long_header_first_byte(self._version, QuicPacketType.INITIAL, 1),)),
                self._version.to_bytes(4, "big"),
                bytes((len(self.destination),)),
                self.destination,
                bytes((len(self.source),)),
                self.source,
                encode_uint_var(len(token)),
                token,
                (0x4000 | length).to_bytes(2, "big"),
            )
        )
