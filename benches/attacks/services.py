"""The private ports: pushes, registrations, and connections that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from benches.attacks.base import Sent, Target, attack, tcp
from benches.attacks.sessions import MEGABYTE, online, rest
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from tests.control.test_silent_connections import PREFACE, SETTINGS, SETTINGS_ACK
from tests.support import strangers
from tests.support.raw_upstream import RawPusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
]


def told(answers: Counter[str]) -> str:
    """The answers, the most frequent first."""
    return ", ".join(f"{count} × {name}" for name, count in answers.most_common())


@contextlib.asynccontextmanager
async def channels(address: str, count: int) -> AsyncIterator[list[GatewayServiceStub]]:
    """So many connections to the gRPC port."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(grpc.aio.insecure_channel(address, OPTIONS)) for _ in range(count)]
        yield [GatewayServiceStub(channel) for channel in opened]


@attack()
async def bound_notifies(target: Target, until: float) -> Sent:
    """400 notifies of 1 MB, bound to requests of one session that it never sends"""
    answers: Counter[str] = Counter()
    client = await online(target, "bound")
    async with RawPusher(target.grpc) as pusher:
        for number in range(400):
            if time.monotonic() > until:
                break
            answer = await pusher.push("bound", data=bytes(MEGABYTE), hint=1, bind=1000 + number)
            answers[answer.error_code or answer.message] += 1
    await client.close()
    await rest(until)
    return Sent(answers.total(), answers.total() * MEGABYTE, told(answers))


async def storm(target: Target, until: float, size: int) -> Sent:
    """Keep 64 pushes under way over 4 connections."""
    answers: Counter[str] = Counter()
    request = pb.UnicastPushRequest(target_type="openid", target_id="nobody", data=bytes(size))

    async def lane(stub: GatewayServiceStub) -> None:
        while time.monotonic() < until:
            try:
                answer = await stub.PushToClient(request, timeout=30)
                answers[answer.error_code or answer.message] += 1
            except grpc.aio.AioRpcError as error:
                answers[error.code().name] += 1

    async with channels(target.grpc, 4) as stubs:
        await asyncio.gather(*(lane(stub) for stub in stubs * 16))
    return Sent(answers.total(), answers.total() * size, told(answers))


@attack()
async def pushes_of_4_mib(target: Target, until: float) -> Sent:
    """64 pushes of 4 MiB (less 1 KiB) at a time, over 4 connections"""
    return await storm(target, until, (4 << 20) - 1024)


@attack()
async def pushes_of_1_mb(target: Target, until: float) -> Sent:
    """64 pushes of 1 MB at a time, over 4 connections"""
    return await storm(target, until, MEGABYTE)


@attack()
async def false_services(target: Target, until: float) -> Sent:
    """The gateway's own ports and 10 black holes, registered for `echo` every half second"""
    answers: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        holes = [stack.enter_context(strangers.black_hole()) for _ in range(10)]
        async with RawPusher(target.grpc) as pusher:
            while time.monotonic() < until:
                found = await asyncio.gather(
                    *(pusher.register(address, "", "zone") for address in (target.quic, target.grpc, target.admin)),
                    *(pusher.register(address, "", "zone") for address in holes),
                )
                answers.update(answer.error_code or answer.message.partition(" (")[0] for answer in found)
                await asyncio.sleep(0.5)
    return Sent(answers.total(), 0, told(answers))


async def silent(address: str, said: bytes, until: float) -> Sent:
    """500 TCP connections that say a little and then nothing more; which of them are still there at the end?"""
    opened = await asyncio.gather(*(asyncio.open_connection(*tcp(address)) for _ in range(500)))
    for _, writer in opened:
        writer.write(said)
    ends = [asyncio.ensure_future(reader.read()) for reader, _ in opened]  # at the end of the connection
    await rest(until)
    closed = sum(end.done() for end in ends)
    for end, (_, writer) in zip(ends, opened, strict=True):
        end.cancel()
        writer.transport.abort()
    await asyncio.gather(*ends, return_exceptions=True)
    return Sent(500, 0, f"{closed} of 500 closed by the gateway")


async def health(address: str) -> bool:
    """Ask for `/healthz` as a load balancer does."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(3.0):
            reader, writer = await asyncio.open_connection(*tcp(address))
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            line = await reader.readline()
            writer.transport.abort()
            return line.startswith(b"HTTP/1.1 200")
    return False


@attack()
async def silent_at_admin(target: Target, until: float) -> Sent:
    """500 silent TCP connections to the admin port"""
    waiting = asyncio.ensure_future(silent(target.admin, b"", until))
    asked = healthy = 0
    await asyncio.sleep(1.0)
    while time.monotonic() < until - 1.0:
        asked, healthy = asked + 1, healthy + await health(target.admin)
        await asyncio.sleep(0.5)
    sent = await waiting
    return sent._replace(outcome=f"{sent.outcome}; {healthy} of {asked} times healthy")


@attack()
async def silent_at_grpc(target: Target, until: float) -> Sent:
    """500 silent TCP connections to the gRPC port"""
    return await silent(target.grpc, b"", until)


@attack()
async def half_open_at_grpc(target: Target, until: float) -> Sent:
    """500 TCP connections to the gRPC port that greet and then answer nothing, as half-open ones"""
    return await silent(target.grpc, PREFACE + SETTINGS + SETTINGS_ACK, until)


def size_of(folder: Path, pattern: str) -> int:
    """Bytes of files."""
    return sum(path.stat().st_size for path in folder.glob(pattern))


@attack(offline={"store": "sqlite", "path": "offline.db", "max_total_bytes": "1MiB"})
async def wide_openids(target: Target, until: float) -> Sent:
    """Empty pushes to openids of 70 characters in 256 bytes, to be stored under 1 MiB"""
    answers: Counter[str] = Counter()
    async with channels(target.grpc, 1) as (stub,):
        while time.monotonic() < until:
            names = (f"{answers.total() + index:08}" + "\U0001f600" * 62 for index in range(50))
            pushes = (stub.PushToClient(pb.UnicastPushRequest(target_type="openid", target_id=name)) for name in names)
            found = await asyncio.gather(*pushes)
            answers.update(answer.error_code or answer.message for answer in found)
    disk = size_of(Path(target.folder), "offline.db*") / (1 << 20)
    return Sent(answers.total(), answers.total() * 256, f"{told(answers)}; {disk:.1f} MiB on the disk")
