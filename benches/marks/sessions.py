"""What sessions cost: to let them in, to keep them, and to tell them all something."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from benches.gateways import FAST, PLAIN, Combination
from benches.marks.load import running
from benches.marks.row import Row
from quicgw_fast.proto.service_pb2 import BroadcastRequest
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient

if TYPE_CHECKING:
    from benches.marks.row import Figures

_FEW = 500
"""Sessions that are there before memory or time is read for the first time: the first ones pay for what all share."""
_BROADCASTS = 10
_TELL = BroadcastRequest(msg_type="news", title="news", content="to everybody", data=b"x" * 128)


async def logins(combination: Combination, count: int) -> Figures:
    """Handshake, START and hello, with what the gateway does beside; µs each."""
    async with running(combination) as gateway, gateway.sessions(_FEW // 10):
        before = gateway.cpu()
        async with gateway.sessions(count):
            return {"us": (gateway.cpu() - before) / count * 1e6}


async def memory(combination: Combination, count: int) -> Figures:
    """KiB that one more session takes of the process."""
    async with running(combination) as gateway, gateway.sessions(_FEW):
        before = gateway.memory()
        async with gateway.sessions(count):
            await asyncio.sleep(1.0)  # what a login needs and a session does not has gone
            return {"KiB": (gateway.memory() - before) / count}


async def heartbeats(combination: Combination, count: int) -> Figures:
    """One heartbeat a second of each session, and nothing else; µs each, with all that an idle gateway does."""
    async with running(combination, session={"heartbeat_interval": "1s"}) as gateway, gateway.sessions(count) as seen:
        await asyncio.sleep(2.0)
        answered, before = seen().heartbeats, gateway.cpu()
        await asyncio.sleep(5.0)
        return {"us": (gateway.cpu() - before) / (seen().heartbeats - answered) * 1e6}


async def idle(combination: Combination, count: int) -> Figures:
    """Sessions that send their heartbeats, every 30 s; % of a core for 10 000 of them."""
    async with running(combination) as gateway, gateway.sessions(count):
        await asyncio.sleep(5.0)
        before = gateway.cpu()
        await asyncio.sleep(30.0)
        return {"%": (gateway.cpu() - before) / 30.0 * 100.0 * 10_000 / count}


async def broadcast(combination: Combination, count: int) -> Figures:
    """Notifies to all sessions, one after the other; deliveries per second of processor time, and µs each."""
    async with running(combination) as gateway, gateway.sessions(count) as seen:
        client = GatewayClient(gateway.addresses["grpc"])
        try:
            await client.broadcast(_TELL, 120.0)
            while seen().notifies < count:
                await asyncio.sleep(0.02)
            before = gateway.cpu()
            for number in range(1, _BROADCASTS + 1):
                answer = await client.broadcast(_TELL, 120.0)
                if answer.sent_count != count:
                    raise SystemExit(f"a broadcast reached {answer.sent_count} of {count}: {answer.message}")
                while seen().notifies < count * (number + 1):
                    await asyncio.sleep(0.02)
            used = gateway.cpu() - before
        finally:
            await client.close()
    return {"deliveries/s/core": _BROADCASTS * count / used, "us": used / _BROADCASTS / count * 1e6}


ROWS = (
    Row(
        "login",
        "login: handshake, START, hello, µs",
        {"plain": partial(logins, PLAIN, 500), "fast": partial(logins, FAST, 2000)},
        "≤ 300 (× 0.17)",
        "a P-256 signature and an X25519 exchange: 37 µs",
    ),
    Row(
        "memory",
        "idle session, KiB resident",
        {"plain": partial(memory, PLAIN, 1000), "fast": partial(memory, FAST, 4000)},
        "≤ 24 (× 0.30)",
    ),
    Row(
        "heartbeat",
        "heartbeat, µs",
        {"plain": partial(heartbeats, PLAIN, 1000), "fast": partial(heartbeats, FAST, 2000)},
        "≤ 110 (× 0.31)",
        "UDP, received and sent: 3 µs",
    ),
    Row(
        "idle",
        "10 000 idle sessions with heartbeats, % of a core",
        {"plain, 2 000 times 5": partial(idle, PLAIN, 2000), "fast": partial(idle, FAST, 10_000)},
        "≤ 2",
        "333 heartbeats/s, UDP alone: 0.1 %",
    ),
    Row(
        "broadcast",
        "broadcast, deliveries/s of a core",
        {
            "plain, 1 000": partial(broadcast, PLAIN, 1000),
            "fast, 1 000": partial(broadcast, FAST, 1000),
            "fast, 10 000": partial(broadcast, FAST, 10_000),
        },
        "≥ 130 000 (× 16)",
        "a datagram sent and its AEAD: 500 000",
    ),
)
