"""A load balancer by QUIC-LB, with a decoder of its own: byte by byte as the draft has it, and none of the gateway's.

draft-ietf-quic-load-balancers, Load Balancer Actions.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from tests.support.udp_proxy import UdpProxy

if TYPE_CHECKING:
    from tests.support.udp_proxy import Address, _Flow


class Reader(NamedTuple):
    """What a balancer is told of one configuration; lengths in bytes."""

    config_id: int
    server_id_length: int
    nonce_length: int
    key: bytes | None = None

    def server_id(self, cid: bytes) -> bytes | None:
        """Who gets a packet with this id, and maybe more behind it; None for one that is not routable."""
        plain = self.plain(cid)
        return None if plain is None else plain[: self.server_id_length]

    def plain(self, cid: bytes) -> bytes | None:
        """Server id and nonce."""
        length = self.server_id_length + self.nonce_length
        text = cid[1 : 1 + length]
        if not cid or cid[0] >> 5 != self.config_id or len(text) < length:
            return None
        if self.key is None:
            return text
        if length == 16:
            return Cipher(AES(self.key), ECB()).decryptor().update(text)
        half, odd = (length + 1) // 2, length % 2 == 1
        left, right = bytearray(text[:half]), bytearray(text[-half:])
        for number in (4, 3, 2, 1):
            if odd:
                left[-1] &= 0xF0
                right[0] &= 0x0F
            source, target = (right, left) if number % 2 == 0 else (left, right)
            expanded = bytes(source) + bytes(14 - half) + bytes((length, number))
            mask = Cipher(AES(self.key), ECB()).encryptor().update(expanded)
            for at in range(half):
                target[at] ^= mask[at]
        if odd:
            left[-1] &= 0xF0
            right[0] &= 0x0F
            return bytes(left[:-1]) + bytes((left[-1] | right[0],)) + bytes(right[1:])
        return bytes(left + right)


class Balancer(UdpProxy):
    """Each datagram goes to the gateway that its id names; where it names none, by the client's address, in turn."""

    def __init__(self, reader: Reader, gateways: dict[bytes, Address]) -> None:
        turns = cycle(gateways.values())
        super().__init__(lambda: next(turns))
        self._reader = reader
        self._gateways = gateways
        self.strays = 0
        """Datagrams that the address alone would have led to another gateway."""

    def _to_gateway(self, flow: _Flow, data: bytes) -> None:
        cid = data[6 : 6 + data[5]] if data[0] & 0x80 else data[1:]
        named = self._gateways.get(self._reader.server_id(cid) or b"")
        if named is not None and named != flow.target:
            self.strays += 1
            flow.target = named
        super()._to_gateway(flow, data)
