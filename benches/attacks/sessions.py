"""Clients that keep the protocol's letter and none of its sense: they ask for much, or do not read."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import quicgw_fast
from benches.attacks.base import TICK, Sent, Target, attack
from quicgw_fast.errors import GatewayError
from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient

MEGABYTE = 1_000_000
BATCH = 500


async def online(target: Target, openid: str, receive_window: int = 1 << 20) -> RawClient:
    """Connect and log in."""
    client = await raw_client.connect(*target.address, within=20, receive_window=receive_window)
    assert (await client.start(openid, within=20)).success
    assert wire.business(await client.hello(within=20)).code == 200
    return client


async def rest(until: float) -> None:
    """Wait until the time is over."""
    await asyncio.sleep(max(0.0, until - time.monotonic()))


async def hoard(target: Target, until: float, *, acknowledge: bool) -> Sent:
    """Log 400 clients in that each ask for 1 MB and stop reading."""
    clients: list[RawClient] = []
    places = asyncio.Semaphore(20)

    async def one(number: int) -> None:
        async with places:
            if time.monotonic() < until:
                client = await online(target, f"hog-{number}", 16 << 10)
                clients.append(client)
                client.pause_reading()
                client.business("echo", {"size": str(MEGABYTE)})
                if acknowledge:
                    await asyncio.sleep(0.5)  # an acknowledgement of what is not there yet would be a protocol error
                    client.ack(2)

    await asyncio.gather(*(one(number) for number in range(400)))
    await rest(until)
    ended = sum(client.closed is not None for client in clients)
    await asyncio.gather(*(client.close() for client in clients))
    return Sent(len(clients), 0, f"{ended} of {len(clients)} connections closed")


@attack(session={"memory": "64MiB"})
async def unacknowledged_replies(target: Target, until: float) -> Sent:
    """400 sessions ask for one reply of 1 MB each, and read and acknowledge nothing (`session.memory` 64 MiB)"""
    return await hoard(target, until, acknowledge=False)


@attack(session={"memory": "64MiB"})
async def unread_replies(target: Target, until: float) -> Sent:
    """The same, and they acknowledge what they never read"""
    return await hoard(target, until, acknowledge=True)


@attack()
async def sleeping_requests(target: Target, until: float) -> Sent:
    """One session keeps 64 calls of a slow service under way, and leaves after half of the time"""
    client = await online(target, "sleeper")
    for _ in range(64):
        client.business("sleep", {"ms": "60000"})
    await rest((time.monotonic() + until) / 2)
    client.abandon()
    await rest(until)
    return Sent(64, 0)


@attack(processor={"drain_timeout": "100ms", "max_workers": 64})  # so that the honest wait for memory, not for workers
async def large_requests(target: Target, until: float) -> Sent:
    """10 sessions send 60 requests of 1 MB each to a slow service"""
    refused = sent = 0

    async def one(number: int) -> None:
        nonlocal refused, sent
        client = await online(target, f"large-{number}")
        data = bytes(MEGABYTE)
        messages = []
        for _ in range(60):
            if time.monotonic() > until:
                break
            messages.append(client.business("sleep", {"ms": "60000"}, data))
            # What is not yet acknowledged is in this process: it should not be all at once.
            while client._quic._streams[0].sender._buffer and time.monotonic() < until:
                await asyncio.sleep(TICK)
        await rest(until)
        refused += sum(bool(client.replies(message)) for message in messages)
        sent += len(messages)
        await client.close()

    await asyncio.gather(*(one(number) for number in range(10)))
    return Sent(sent, sent * MEGABYTE, f"{refused} of {sent} answered 429 or 503")


async def useless_messages(target: Target, until: float, kind: int) -> Sent:
    """From each of 20 connections that read nothing 5 000 messages a second; a closed one comes again."""
    one = pb.ClientRequest(type=kind).SerializeToString()  # type: ignore[arg-type]
    batch = wire.frame(one) * BATCH
    count = closed = 0

    async def lane(number: int) -> None:
        nonlocal count, closed
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionError, TimeoutError):
                client = await online(target, f"flood-{kind}-{number}")
                client.pause_reading()
                while client.closed is None and time.monotonic() < until:
                    client.send_raw(batch)
                    count += BATCH
                    await asyncio.sleep(0.1)
                closed += client.closed is not None
                await client.close()

    await asyncio.gather(*(lane(number) for number in range(20)))
    return Sent(count, count * (len(one) + 4), f"{closed} connections closed")


@attack()
async def heartbeats(target: Target, until: float) -> Sent:
    """HEARTBEATs from 20 connections that read nothing"""
    return await useless_messages(target, until, pb.REQUEST_HEARTBEAT)


@attack()
async def acknowledgements(target: Target, until: float) -> Sent:
    """ACKs of nothing new from 20 connections that read nothing"""
    return await useless_messages(target, until, pb.REQUEST_ACK)


@attack()
async def refused_messages(target: Target, until: float) -> Sent:
    """Messages of an unknown type from 20 connections that read nothing"""
    return await useless_messages(target, until, 99)


@attack()
async def large_echoes(target: Target, until: float) -> Sent:
    """No attack: an SDK client echoes 600 to 900 kB, one after the other"""
    size = count = failed = 0
    async with quicgw_fast.connect(target.quic, openid="large", insecure=True) as client:
        while time.monotonic() < until:
            data = bytes(600_000 + count % 4 * 100_000)
            count, size = count + 1, size + len(data)
            try:
                assert (await client.call("echo", data=data, timeout=5.0)).data == data
            except GatewayError:
                failed += 1
    return Sent(count, size, f"{failed} of {count} calls failed")
