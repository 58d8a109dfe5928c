"""Connections that say nothing, or not enough, end soon on both ports, and health does not depend on their number."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import select
import socket
import struct
from typing import TYPE_CHECKING

import grpc
import pytest
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quicgw_fast.config import join_address
from quicgw_fast.control import health_pages, stats_pages
from quicgw_fast.control.grpc_server import SilenceTimeouts
from quicgw_fast.control.http import MOST
from tests.control.doors import start_admin, start_control
from tests.control.recording import RecordingPusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SILENT = 200
"""More than any limit on connections that there is."""
TIMEOUT = 1.0
SLACK = 8.0
"""Seconds that a busy machine may take to notice."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = struct.pack(">I", 0)[1:] + b"\x04\x00" + struct.pack(">I", 0)
SETTINGS_ACK = struct.pack(">I", 0)[1:] + b"\x04\x01" + struct.pack(">I", 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_many(
    stack: contextlib.AsyncExitStack, address: tuple[str, int], count: int, said: bytes
) -> list[Streams]:
    """Connections that say ``said`` and nothing more."""
    opened = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(count)))
    for _, writer in opened:
        stack.callback(writer.close)
        writer.write(said)
    return opened


async def all_closed(connections: list[Streams], within: float = TIMEOUT + SLACK) -> None:
    """Wait until the other side has closed every one of them."""

    async def closed(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()

    async with asyncio.timeout(within):
        await asyncio.gather(*(closed(reader) for reader, _ in connections))


async def health(address: tuple[str, int]) -> int:
    def ask() -> int:
        connection = http.client.HTTPConnection(*address, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


@contextlib.asynccontextmanager
async def admin_pages(timeout: float = TIMEOUT) -> AsyncIterator[tuple[str, int]]:
    server = await start_admin(health_pages(lambda: None), timeout=timeout)
    try:
        yield server.address
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he"],
    ids=["nothing", "half a line", "half a head", "one and a half"],
)
async def test_silent_connections_to_the_admin_pages(said: bytes) -> None:
    async with admin_pages() as address, contextlib.AsyncExitStack() as stack:
        connections = await open_many(stack, address, SILENT, said)
        for _ in range(5):
            assert await health(address) == 200
        await all_closed(connections)
        assert await health(address) == 200


async def test_many_silent_connections_push_each_other_out_and_not_the_one_that_asks() -> None:
    async with admin_pages(timeout=600.0) as address, contextlib.AsyncExitStack() as stack:
        (reader, writer), *_ = await open_many(stack, address, 1, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        connections = await open_many(stack, address, SILENT, b"")
        assert await health(address) == 200
        # The first ones made room: as many as there were too many, and the one that asks is one more.
        await all_closed([(reader, writer), *connections[: SILENT - MOST]])


async def test_a_connection_in_use_stays() -> None:
    async with admin_pages() as address, contextlib.AsyncExitStack() as stack:
        (reader, writer), *_ = await open_many(stack, address, 1, b"")
        for _ in range(6):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(TIMEOUT / 3)  # so long that all of it together would be too long


async def test_a_peer_that_does_not_read_its_answer_is_dropped() -> None:
    large = "x" * (64 << 20)  # more than the kernel keeps for somebody who does not read
    pages = [*health_pages(lambda: None), *stats_pages(lambda: {"x": large})]
    server = await start_admin(pages, timeout=TIMEOUT)
    with socket.socket() as deaf:
        deaf.connect(server.address)
        deaf.sendall(b"GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert await asyncio.to_thread(deaf.recv, 1), "the answer has begun"
        assert await health(server.address) == 200
        poll = select.poll()
        poll.register(deaf, select.POLLERR | select.POLLHUP)
        assert await asyncio.to_thread(poll.poll, (TIMEOUT + SLACK) * 1000), "it was not closed"
    await server.stop()


def test_all_of_it_on_the_loop_that_the_command_uses() -> None:
    async def scene() -> None:
        await test_a_peer_that_does_not_read_its_answer_is_dropped()
        await test_silent_connections_to_the_admin_pages(b"GET /heal")
        await test_silent_connections_to_the_grpc_port(b"")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


@contextlib.asynccontextmanager
async def grpc_port(timeouts: SilenceTimeouts) -> AsyncIterator[tuple[str, int]]:
    server = await start_control(RecordingPusher(), timeouts=timeouts)
    try:
        yield server.address
    finally:
        await server.stop()


async def serving(address: tuple[str, int]) -> bool:
    async with grpc.aio.insecure_channel(join_address(*address), [("grpc.use_local_subchannel_pool", 1)]) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("said", [b"", b"PRI * HT", PREFACE], ids=["nothing", "half a preface", "no settings"])
async def test_silent_connections_to_the_grpc_port(said: bytes) -> None:
    async with grpc_port(SilenceTimeouts(handshake=TIMEOUT)) as address, contextlib.AsyncExitStack() as stack:
        connections = await open_many(stack, address, SILENT, said)
        for _ in range(3):
            assert await serving(address)
        await all_closed(connections)
        assert await serving(address)


async def test_grpc_connections_without_a_call_end() -> None:
    async with grpc_port(SilenceTimeouts(idle=TIMEOUT)) as address, contextlib.AsyncExitStack() as stack:
        connections = await open_many(stack, address, SILENT, PREFACE + SETTINGS + SETTINGS_ACK)
        assert await serving(address)
        await all_closed(connections)


async def test_a_grpc_peer_that_is_gone_without_a_word_is_noticed() -> None:
    """It greeted, and then answers no ping: what a half-open connection looks like from here."""
    timeouts = SilenceTimeouts(ping_every=1.0, ping_answer=0.5)
    async with grpc_port(timeouts) as address, contextlib.AsyncExitStack() as stack:
        connections = await open_many(stack, address, 20, PREFACE + SETTINGS + SETTINGS_ACK)
        await all_closed(connections, 1.5 + SLACK)
        assert await serving(address)
