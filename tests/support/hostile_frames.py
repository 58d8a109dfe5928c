"""Frames that a client of good will has no use for (RFC 9000 §19)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioquic.buffer import encode_uint_var as var
from aioquic.tls import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transport.helpers import RawClient

    Flood = Callable[[RawClient, int], bytes]


def new_connection_id(number: int) -> bytes:
    """A NEW_CONNECTION_ID frame that retires all ids before it (RFC 9000 §19.15)."""
    name = number.to_bytes(8, "big")
    return b"\x18" + var(number) + var(number) + b"\x08" + name + 2 * name


def ack_of_many(largest: int, ranges: int) -> bytes:
    """An ACK frame of ``ranges`` packets of which none is next to another."""
    return b"\x02" + var(largest) + var(0) + var(ranges - 1) + var(0) + b"\x00\x00" * (ranges - 1)


FLOODS: dict[str, Flood] = {}
"""Floods of an established client by name: each gives the frames of a packet, whose number counts from 0; what it
is stands in its docstring."""


def flood(make: Flood) -> Flood:
    """Enter a flood into the list."""
    FLOODS[make.__name__] = make
    return make


@flood
def lone_pings(client: RawClient, number: int) -> bytes:
    """Packets of one PING"""
    return b"\x01"


@flood
def path_challenges(client: RawClient, number: int) -> bytes:
    """120 PATH_CHALLENGEs in each packet"""
    return b"".join(b"\x1a" + os.urandom(8) for _ in range(120))


@flood
def path_responses(client: RawClient, number: int) -> bytes:
    """120 PATH_RESPONSEs in each packet, to what nobody asked"""
    return (b"\x1b" + os.urandom(8)) * 120


@flood
def new_ids(client: RawClient, number: int) -> bytes:
    """30 NEW_CONNECTION_IDs in each packet, each of which retires all before it, and nothing acknowledged"""
    client.ignore()
    return b"".join(new_connection_id(8 + 30 * number + step) for step in range(30))


@flood
def retired_ids(client: RawClient, number: int) -> bytes:
    """4 RETIRE_CONNECTION_IDs in each packet, of ids that it was never told, and nothing acknowledged"""
    client.ignore()
    # A server has some ids at a time: of those that it makes in place of retired ones the numbers are known unseen.
    return b"".join(b"\x19" + var(1 + 4 * number + step) for step in range(4))


@flood
def credit(client: RawClient, number: int) -> bytes:
    """60 MAX_DATA and 60 MAX_STREAM_DATA in each packet, each with a little more"""
    at = (2 << 20) + 60 * number
    return b"".join(b"\x10" + var(at + step) + b"\x11\x00" + var(at + step) for step in range(60))


@flood
def blocked(client: RawClient, number: int) -> bytes:
    """60 DATA_BLOCKED and 60 STREAM_DATA_BLOCKED in each packet"""
    return b"".join(b"\x14" + var(number) + b"\x15\x00" + var(step) for step in range(60))


@flood
def same_ack(client: RawClient, number: int) -> bytes:
    """120 ACKs of the same packet in each packet"""
    return b"\x02\x00\x00\x00\x00" * 120


@flood
def many_ranges(client: RawClient, number: int) -> bytes:
    """ACKs of 100 ranges in each packet, of packets that were never sent"""
    return ack_of_many(400, 100)


@flood
def skipped_numbers(client: RawClient, number: int) -> bytes:
    """A PING in every other packet number, each a range of its own to acknowledge, and nothing acknowledged"""
    client.ignore()
    client.quic._packet_number += 1
    return b"\x01"


@flood
def empty_data(client: RawClient, number: int) -> bytes:
    """120 STREAM frames of no bytes in each packet"""
    return (b"\x0e" + var(0) * 3) * 120


@flood
def far_data(client: RawClient, number: int) -> bytes:
    """100 bytes of the stream in each packet, each behind a hole, up to the window"""
    return b"".join(b"\x0e\x00" + var(100 + 2 * (100 * number % 30_000 + step)) + b"\x01x" for step in range(100))


@flood
def tls_messages(client: RawClient, number: int) -> bytes:
    """CRYPTO frames after the handshake: a message of 16 MB that never ends"""
    head = b"\x04\xff\xff\xff" if number == 0 else b""
    data = head + bytes(1000 - len(head))
    return b"\x06" + var(1000 * number) + var(len(data)) + data


@flood
def new_keys(client: RawClient, number: int) -> bytes:
    """Packets of one PING, each under new keys (RFC 9001 §6)"""
    client.quic._cryptos[Epoch.ONE_RTT]._update_key("flood")
    return b"\x01"


@flood
def resets(client: RawClient, number: int) -> bytes:
    """RESET_STREAM and STOP_SENDING of the stream"""
    return b"\x04\x00\x07\x00" + b"\x05\x00\x07"


@flood
def old_tokens(client: RawClient, number: int) -> bytes:
    """NEW_TOKEN, which only a server sends"""
    return b"\x07\x04abcd"


@flood
def streams_asked_for(client: RawClient, number: int) -> bytes:
    """60 MAX_STREAMS of either kind in each packet"""
    return (b"\x12" + var(number) + b"\x13" + var(number)) * 60
