"""Packets: what costs the gateway processor time before and after the handshake, and moves nothing."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from typing import TYPE_CHECKING

from aioquic.buffer import encode_uint_var as var

from benches.attacks.base import TICK, Sent, Target, attack
from tests.support.raw_initial import InitialMaker, crypto, first_packet
from tests.transport.helpers import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable


async def pour(target: Target, until: float, rate: float, make: Callable[[int], bytes], batch: int = 1) -> Sent:
    """Send ``rate`` datagrams a second, made by ``make`` of their index, from a socket of its own."""
    count = size = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        begin = time.monotonic()
        while (now := time.monotonic()) < until:
            while count + batch <= (now - begin) * rate and time.monotonic() < until:
                for _ in range(batch):
                    data = make(count)
                    try:
                        sock.sendto(data, target.address)
                    except BlockingIOError:
                        await asyncio.sleep(TICK)
                    count, size = count + 1, size + len(data)
            await asyncio.sleep(TICK)
    return Sent(count, size)


def scattered(start: int, room: int) -> bytes:
    """One-byte CRYPTO frames with a hole before each."""
    frames, offset = b"", start
    while len(frames) + 6 <= room:
        frames += crypto(offset, b"x")
        offset += 2
    return frames


@attack()
async def initial_holes(target: Target, until: float) -> Sent:
    """Initials full of one-byte CRYPTO frames behind 500 holes, 500/s"""
    maker = InitialMaker()

    def make(index: int) -> bytes:
        nonlocal maker
        if index % 20 == 0:
            maker = InitialMaker()
        room = maker.room()
        return maker.packet(scattered(4 + 500 * min(maker.number, 2), room))

    return await pour(target, until, 500, make)


@attack()
async def initial_noise(target: Target, until: float) -> Sent:
    """Initials that do not decrypt, each with a new connection id, 3 000/s"""
    template = bytearray(InitialMaker().packet(b"\x01"))

    def make(_index: int) -> bytes:
        template[6:14] = os.urandom(8)
        return bytes(template)

    return await pour(target, until, 3000, make)


@attack()
async def hellos_that_fail(target: Target, until: float) -> Sent:
    """Complete first packets with another ALPN, from one address, 300/s"""
    return await pour(target, until, 300, lambda _: first_packet(alpn_protocols=["h3"]))


@attack()
async def hellos_without_end(target: Target, until: float) -> Sent:
    """Complete first packets of handshakes that never go on, 300/s"""
    return await pour(target, until, 300, lambda _: first_packet())


@attack()
async def long_datagrams(target: Target, until: float) -> Sent:
    """Bursts of 16 datagrams of 65 kB, 160/s"""
    noise = random.Random(1).randbytes(65_000)
    return await pour(target, until, 160, lambda _: b"\x40" + noise, batch=16)


async def established(target: Target, until: float, rate: float, make: Callable[[RawClient, int], bytes]) -> Sent:
    """Send packets of frames on an established connection, and on a new one whenever it is closed."""
    count = size = 0
    begin = time.monotonic()
    while time.monotonic() < until:
        async with RawClient(target.address) as client:
            await client.connected()
            first = count
            while time.monotonic() < until and client.close_seen is None:
                while count < (time.monotonic() - begin) * rate and client.close_seen is None:
                    frames = make(client, count - first)
                    client.frames(frames)
                    count, size = count + 1, size + len(frames) + 40
                    if count % 5 == 0:
                        await asyncio.sleep(0)
                await asyncio.sleep(TICK)
    return Sent(count, size)


def stream_byte(offset: int) -> bytes:
    """One byte of the stream."""
    return b"\x0e" + var(0) + var(offset) + var(1) + b"x"


@attack()
async def stream_holes(target: Target, until: float) -> Sent:
    """One-byte STREAM frames behind 120 holes, after the handshake, 500/s"""
    body = b"".join(stream_byte(100 + 2 * step) for step in range(120))
    return await established(target, until, 500, lambda _client, _index: body)


@attack()
async def empty_frames(target: Target, until: float) -> Sent:
    """120 empty STREAM frames in each packet, 500/s"""
    return await established(target, until, 500, lambda _client, _index: (b"\x0e" + var(0) * 3) * 120)


@attack()
async def pings(target: Target, until: float) -> Sent:
    """120 PINGs in each packet, and nothing is ever acknowledged, 1 000/s"""

    def make(client: RawClient, _index: int) -> bytes:
        client.reading = False
        return b"\x01" * 120

    return await established(target, until, 1000, make)


@attack()
async def too_many_pings(target: Target, until: float) -> Sent:
    """1 340 PINGs in each packet, on a new connection whenever it is closed, 500/s"""
    return await established(target, until, 500, lambda _client, _index: b"\x01" * 1340)
