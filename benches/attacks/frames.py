"""Clients that have shaken hands and send frames that cost something, move nothing, and may come at any rate.

Each flood of ``tests.support.hostile_frames`` comes from ``LANES`` connections at once, as what a single one is allowed
is little; one that is closed comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from typing import TYPE_CHECKING

from benches.attacks.base import TICK, Sent, Target, attack
from tests.support.hostile_frames import FLOODS
from tests.support.random_frames import random_frames
from tests.transport.helpers import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[RawClient, int], bytes]

LANES = 20
ATTACKER = "127.0.0.2"
RATE = 200
"""Packets a second of one lane: with all of them, more than a gateway in Python can read."""


async def flood(target: Target, until: float, make: Make, *, rate: float = RATE, lanes: int = LANES) -> Sent:
    """Send what ``make`` makes of a client and the number of its packet, on a new connection whenever one is closed."""
    sent = closed = 0
    size = 0

    async def lane() -> None:
        nonlocal sent, closed, size
        while time.monotonic() < until:
            async with RawClient(target.address, host=ATTACKER) as client:
                with contextlib.suppress(AssertionError):  # turned away, or not in time
                    await client.connected()
                begin, number = time.monotonic(), 0
                while client.established and client.close_seen is None and time.monotonic() < until:
                    while number < (time.monotonic() - begin) * rate and client.close_seen is None:
                        frames = make(client, number)
                        if frames:
                            client.frames(frames)
                        number, sent, size = number + 1, sent + 1, size + len(frames) + 40
                    await asyncio.sleep(TICK)
                closed += client.close_seen is not None

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return Sent(sent, size, f"{closed} connections closed" if closed else "")


def enter(name: str, make: Make) -> None:
    """Make a flood known as an attack."""

    async def send(target: Target, until: float) -> Sent:
        return await flood(target, until, make)

    send.__name__, send.__doc__ = name, make.__doc__
    attack()(send)


for _name, _make in FLOODS.items():
    enter(_name, _make)


@attack()
async def migrations(target: Target, until: float) -> Sent:
    """Each packet from another of 500 addresses, none of which answers"""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(500)]
        for at, sock in enumerate(socks):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            sock.bind((f"127.0.{1 + at // 250}.{1 + at % 250}", 0))

        def make(client: RawClient, number: int) -> bytes:
            client.frames(b"\x01", by=socks[number % len(socks)])
            return b""

        return await flood(target, until, make)


@attack()
async def used_up_and_gone(target: Target, until: float) -> Sent:
    """60 packets of 120 PATH_CHALLENGEs at once, then a new connection, 20 at a time"""
    count = connections = 0
    frames = b"".join(b"\x1a" + os.urandom(8) for _ in range(120))

    async def lane() -> None:
        nonlocal count, connections
        while time.monotonic() < until:
            async with RawClient(target.address, host=ATTACKER) as client:
                with contextlib.suppress(AssertionError):
                    await client.connected()
                if client.established:
                    connections += 1
                    for _ in range(60):
                        client.frames(frames)
                        count += 1
                await asyncio.sleep(TICK)

    await asyncio.gather(*(lane() for _ in range(LANES)))
    return Sent(count, count * 1120, f"{connections} connections")


@attack()
async def from_everywhere(target: Target, until: float) -> Sent:
    """120 PATH_CHALLENGEs in each packet, from 100 connections"""
    frames = b"".join(b"\x1a" + os.urandom(8) for _ in range(120))
    return await flood(target, until, lambda _client, _number: frames, rate=100, lanes=100)


@attack()
async def any_frames(target: Target, until: float) -> Sent:
    """Packets of random frames, most of them valid"""
    rng = random.Random(7)
    return await flood(target, until, lambda _client, _number: random_frames(rng))
