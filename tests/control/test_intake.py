"""Bytes of calls that are in memory at once: bounded by places, and what has none waits unread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

import quicgw_fast
from quicgw_fast.config import join_address
from quicgw_fast.control import grpc_server
from quicgw_fast.control.intake import Intake
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from tests.control.doors import start_control
from tests.control.recording import RecordingPusher, Taken
from tests.control.test_silent_connections import PREFACE, SETTINGS, SETTINGS_ACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PUSH = "/gatesvr.proto.GatewayService/PushToClient"
BROADCAST = "/gatesvr.proto.GatewayService/BroadcastToClients"
SENDERS = 8
EACH = 32
GROWTH = 160 << 20
"""Bytes that the process may grow by: 40 MiB of pushes in their places, each of them twice, and what it started."""


class SlowPusher(RecordingPusher):
    """Holds every push until ``leave`` is set, and knows how many it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = 0
        self.most = 0
        self.leave = asyncio.Event()
        self.entered = asyncio.Event()

    async def push(self, request: pb.UnicastPushRequest, *, follow: bool = False) -> Taken:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.set()
        try:
            await self.leave.wait()
            return await super().push(request, follow=follow)
        finally:
            self.inside -= 1


@contextlib.asynccontextmanager
async def served(
    monkeypatch: pytest.MonkeyPatch, pusher: RecordingPusher, places: int = 2, arrival: float = 5.0
) -> AsyncIterator[tuple[str, int]]:
    monkeypatch.setattr(
        grpc_server,
        "Intake",
        lambda _, streams, refusals: Intake({PUSH: places, BROADCAST: 4}, streams, refusals, arrival),
    )
    control = await start_control(pusher)
    try:
        yield control.address
    finally:
        await control.stop()


async def test_more_calls_than_places_wait_and_are_all_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    pusher = SlowPusher()
    async with (
        served(monkeypatch, pusher) as address,
        grpc.aio.insecure_channel(join_address(*address)) as channel,
    ):
        stub = GatewayServiceStub(channel)
        calls = [asyncio.ensure_future(stub.PushToClient(pb.UnicastPushRequest(), timeout=20)) for _ in range(20)]
        await pusher.entered.wait()
        # Another method has places of its own.
        assert (await stub.BroadcastToClients(pb.BroadcastRequest(), timeout=10)).sent_count == 7
        # By that answer the connection is known, and has the place that strangers have not.
        async with asyncio.timeout(10.0):
            while pusher.inside < 2:
                await asyncio.sleep(0.01)
        pusher.leave.set()
        await asyncio.gather(*calls)
        assert (len(pusher.seen), pusher.most) == (21, 2)


async def test_a_call_that_is_given_up_gives_back_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    pusher = SlowPusher()
    async with (
        served(monkeypatch, pusher) as address,
        grpc.aio.insecure_channel(join_address(*address)) as channel,
    ):
        stub = GatewayServiceStub(channel)
        for _ in range(3):  # two of them have places, the others wait for one
            calls = [stub.PushToClient(pb.UnicastPushRequest(), timeout=0.2) for _ in range(4)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [isinstance(result, grpc.aio.AioRpcError) for result in results] == [True] * 4
        pusher.leave.set()
        assert (await stub.PushToClient(pb.UnicastPushRequest(), timeout=10)).error_code == "TARGET_NOT_FOUND"


def headers_of_a_push() -> bytes:
    """A HEADERS frame of stream 1 that opens a call (HPACK literals without indexing); its message never comes."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": PUSH,
        ":authority": "x",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(b"\x00" + text(name) + text(value) for name, value in fields.items())
    return len(block).to_bytes(3, "big") + b"\x01\x04" + (1).to_bytes(4, "big") + block


async def test_senders_whose_message_never_comes_lose_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch, RecordingPusher(), places=2, arrival=0.5) as address:
        opened = [await asyncio.open_connection(*address) for _ in range(4)]
        for _, writer in opened:
            writer.write(PREFACE + SETTINGS + SETTINGS_ACK + headers_of_a_push())
            await writer.drain()
        async with grpc.aio.insecure_channel(join_address(*address)) as channel:
            stub = GatewayServiceStub(channel)
            assert (await stub.PushToClient(pb.UnicastPushRequest(), timeout=20)).error_code == "TARGET_NOT_FOUND"
        for _, writer in opened:
            writer.close()


async def test_a_message_over_the_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pusher = RecordingPusher()
    async with (
        served(monkeypatch, pusher) as address,
        grpc.aio.insecure_channel(join_address(*address)) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError, match="larger than max") as caught:
            await GatewayServiceStub(channel).PushToClient(pb.UnicastPushRequest(data=bytes(4 << 20)), timeout=10)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert pusher.seen == []


def memory_of(pid: int) -> int:
    """Return the most memory that a process ever used, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


async def test_a_storm_of_large_pushes_does_not_grow_the_gateway() -> None:
    folder = Path(__file__)
    paths = (str(folder.parents[2]), str(Path(quicgw_fast.__file__).parents[1]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(folder.with_name("control_process.py")),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        before = memory_of(process.pid)
        request = pb.UnicastPushRequest(data=bytes(1 << 20))
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with contextlib.AsyncExitStack() as stack:
            stubs = [
                GatewayServiceStub(await stack.enter_async_context(grpc.aio.insecure_channel(address, options)))
                for _ in range(SENDERS)
            ]
            await asyncio.gather(*(stub.PushToClient(request, timeout=40) for stub in stubs * EACH))
        grown = memory_of(process.pid) - before
        assert grown < GROWTH, f"{SENDERS * EACH} MiB were under way, and it grew by {grown >> 20} MiB"
    finally:
        process.kill()
        await process.wait()
