"""What a machine does to a gateway process: it says so, its clients notice nothing, and it recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import split_address
from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.pages import page
from tests.support.parts import WHICHEVER_ENGINE
from tests.support.raw_initial import first_packet
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient

pytestmark = WHICHEVER_ENGINE

SHORT_TIMES = """[session]
timeout = "2s"
heartbeat_interval = "1s"
start_timeout = "1s"
frame_timeout = "1s"
slow_consumer_after = "1s"
"""


@contextlib.asynccontextmanager
async def online(gateway: GatewayProcess, openid: str) -> AsyncIterator[RawClient]:
    async with await raw_client.connect(*gateway.ready.quic) as client:
        assert (await client.start(openid)).success
        assert wire.business(await client.hello()).code == 200
        yield client


async def works(client: RawClient) -> bool:
    return wire.business(await client.call("echo", data=b"x")).data == b"x"


async def beat(client: RawClient) -> None:
    while client.closed is None:
        client.heartbeat()
        await asyncio.sleep(0.2)


# The process stands still


async def test_a_gateway_that_was_stopped_closes_no_client_that_went_on(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address, SHORT_TIMES)
        async with GatewayProcess.serve(config, parts=parts) as gateway, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(online(gateway, f"user-{n}")) for n in range(4)]
            beating = [asyncio.create_task(beat(client)) for client in clients]
            gateway.signal(signal.SIGSTOP)
            await asyncio.sleep(3.0)  # more than everybody's time
            gateway.signal(signal.SIGCONT)
            await wire.until(lambda: "gateway stood still" in gateway.errors, what="the line about it")
            assert all([await works(client) for client in clients])
            await asyncio.sleep(0.5)  # several rounds of the housekeeping
            assert [client.closed for client in clients] == [None] * 4
            for task in beating:
                task.cancel()
            assert gateway.errors.count("gateway stood still") == 1


# Descriptors


@contextlib.contextmanager
def many_connections(address: str, count: int = 100) -> Iterator[None]:
    """Take all descriptors that a process has left."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(split_address(address))
        yield


async def reachable(address: str) -> bool:
    try:
        async with asyncio.timeout(2.0):
            return (await page(address, "/healthz"))[0] == 200
    except (OSError, IndexError, TimeoutError):
        return False


async def test_without_descriptors_clients_come_and_go_and_the_rest_recovers(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    limited = ("prlimit", "--nofile=80:80")
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address)
        async with (
            GatewayProcess.serve(config, parts=parts, prefix=limited) as gateway,
            online(gateway, "alice") as client,
        ):
            with many_connections(gateway.ready.grpc):
                await wire.until(lambda: "descriptors used up" in gateway.errors, what="the line about it")
                assert await works(client)
                async with online(gateway, "bob") as newcomer:
                    assert await works(newcomer)
                assert not await reachable(gateway.ready.admin)
                # A service that is started again meanwhile cannot be dialled, and is when there are some again.
                await upstream.stop()
                await wire.until(lambda: "upstream down" in gateway.errors, what="the service's end")
                await upstream.start(upstream.address)
            await wire.until(lambda: "descriptors free again" in gateway.errors, what="the line about it")
            assert await reachable(gateway.ready.admin)
            async with asyncio.timeout(30.0):
                while (await client.call("echo", data=b"x")).type == pb.PUSH_ERROR:
                    await asyncio.sleep(0.1)
            assert gateway.errors.count('"descriptors used up"') == 1


# The log


@pytest.mark.parametrize("log", ["full", "gone"])
async def test_a_log_that_cannot_be_written_ends_nothing(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path], log: str
) -> None:
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address)
        redirect = "exec 2>/dev/full" if log == "full" else "exec 2> >(exec true); sleep 0.2"
        prefix = ("bash", "-c", f'{redirect}; exec "$@"', "bash")
        async with (
            GatewayProcess.serve(config, parts=parts, prefix=prefix) as gateway,
            online(gateway, "alice") as client,
        ):
            assert await works(client)
            gateway.terminate()
            assert await gateway.wait() == 0


# The network


def forged(source: int, target: tuple[str, int], data: bytes) -> bytes:
    """A UDP datagram with a source port of one's choice."""
    return struct.pack("!HHHH", source, target[1], 8 + len(data), 0) + data


async def test_answers_that_cannot_be_sent_are_told_now_and_then_and_hold_up_nobody(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    """Nobody can be sent anything at port 0: the kernel refuses each answer with EINVAL."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError:
        pytest.skip("needs the right to forge packets")
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address)
        with raw:
            async with (
                GatewayProcess.serve(config, parts=parts) as gateway,
                online(gateway, "alice") as client,
            ):
                target = gateway.ready.quic
                for _ in range(40):
                    raw.sendto(forged(0, target, first_packet()), target)
                    assert await works(client)
                await wire.until(lambda: "udp socket failed" in gateway.errors, what="the line about it")
                async with online(gateway, "bob") as newcomer:
                    assert await works(newcomer)
                assert gateway.errors.count("udp socket failed") < 40, "not for each"
