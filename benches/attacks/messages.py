"""Messages that are dear to read, and clients that know the protocol and use it against its sense."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from benches.attacks.base import TICK, Sent, Target, attack
from benches.attacks.sessions import online
from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_client import RawClient

LANES = 10


async def say(target: Target, until: float, make: Callable[[int], bytes], rate: float) -> Sent:
    """From ``LANES`` sessions send envelopes, made by ``make`` of their number (2, 3 …), together ``rate`` a second."""
    count = size = closed = 0

    async def lane(number: int) -> None:
        nonlocal count, size, closed
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionError, TimeoutError, AssertionError):
                client = await online(target, f"sayer-{number}")
                for sequence in range(2, 1 << 30):
                    if client.closed is not None or time.monotonic() > until:
                        break
                    body = make(sequence)
                    client.send_raw(wire.frame(body))
                    count, size = count + 1, size + len(body)
                    client.ack(client.last_seq)
                    while client.closed is None and pending(client) > 1 << 20 and time.monotonic() < until:
                        await asyncio.sleep(TICK)
                    await asyncio.sleep(LANES / rate)
                closed += client.closed is not None
                await client.close()

    await asyncio.gather(*(lane(number) for number in range(LANES)))
    return Sent(count, size, f"{closed} connections closed" if closed else "")


def pending(client: RawClient) -> int:
    """Bytes that have not been acknowledged."""
    return len(client._quic._streams[0].sender._buffer)


def request(sequence: int, **fields: object) -> pb.ClientRequest:
    """A BUSINESS request."""
    payload = pb.BusinessRequest(action="echo").SerializeToString()
    return pb.ClientRequest(msg_id=sequence, seq_id=sequence, type=pb.REQUEST_BUSINESS, payload=payload, **fields)  # type: ignore[arg-type]


@attack()
async def many_headers(target: Target, until: float) -> Sent:
    """Requests with 10 000 headers each, 100/s"""
    extra = b"".join(b"\x2a\x09\x0a\x05%05d\x12\x00" % number for number in range(10_000))
    return await say(target, until, lambda sequence: request(sequence).SerializeToString() + extra, 100)


@attack()
async def empty_headers(target: Target, until: float) -> Sent:
    """Requests of 1 MiB that are nothing but empty headers, 20/s"""
    extra = b"\x2a\x00" * 500_000
    return await say(target, until, lambda sequence: request(sequence).SerializeToString() + extra, 20)


@attack()
async def many_params(target: Target, until: float) -> Sent:
    """Requests with 10 000 parameters each, 100/s"""
    params = b"".join(b"\x12\x09\x0a\x05%05d\x12\x00" % number for number in range(10_000))

    def make(sequence: int) -> bytes:
        payload = pb.BusinessRequest(action="echo").SerializeToString() + params
        message = pb.ClientRequest(msg_id=sequence, seq_id=sequence, type=pb.REQUEST_BUSINESS, payload=payload)
        return message.SerializeToString()

    return await say(target, until, make, 100)


@attack()
async def unknown_groups(target: Target, until: float) -> Sent:
    """Requests with 1 000 unknown groups inside of each other"""
    deep = b"\xfb\x7f" * 1000 + b"\xfc\x7f" * 1000
    return await say(target, until, lambda sequence: request(sequence).SerializeToString() + deep, 100)


@attack()
async def guessed_epochs(target: Target, until: float) -> Sent:
    """STARTs that name the session of somebody else and guess its epoch, 20 connections"""
    count = resumed = 0
    victim = await online(target, "victim")
    assert victim.started is not None
    name = victim.started.connection_id

    async def lane() -> None:
        nonlocal count, resumed
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionError, TimeoutError):
                client = await raw_client.connect(*target.address, within=5)
                answer = await client.start("guesser", "", 1, name, f"{count:032x}", within=5)
                count, resumed = count + 1, resumed + answer.resumed
                await client.close()

    await asyncio.gather(*(lane() for _ in range(20)))
    kept = wire.business(await victim.call("echo")).code == 200
    await victim.close()
    return Sent(count, 0, f"{resumed} resumed; the owner is {'served' if kept else 'not served'}")


@attack(session={"frame_timeout": "2s"})
async def dripping(target: Target, until: float) -> Sent:
    """200 sessions that send a byte of a message a second"""
    clients = [await online(target, f"drip-{number}") for number in range(200)]
    for client in clients:
        client.send_raw(b"\x00\x0f\xff\xff")
    while time.monotonic() < until:
        for client in clients:
            if client.closed is None:
                client.send_raw(b"x")
        await asyncio.sleep(1.0)
    closed = sum(client.closed is not None for client in clients)
    await asyncio.gather(*(client.close() for client in clients))
    return Sent(200, 0, f"{closed} of 200 closed")
