"""What no honest HTTP/2 client sends: the gRPC port goes on answering, and grows by a bounded amount."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

import quicgw_fast
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from tests.control.test_intake import memory_of
from tests.support.http2_attacks import ATTACKS, carry_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 1.0
PAUSE = 0.002
"""Seconds between two parts of an attack: it and the one at work share a loop."""
GROWTH = 64 << 20


@contextlib.asynccontextmanager
async def control_process() -> AsyncIterator[tuple[str, int]]:
    folder = Path(__file__)
    paths = (str(folder.parents[2]), str(Path(quicgw_fast.__file__).parents[1]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(folder.with_name("control_process.py")),
        "0",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip(), process.pid
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("name", ATTACKS)
async def test_who_is_at_work_goes_on_and_memory_is_bounded(name: str) -> None:
    async with (
        control_process() as (address, pid),
        grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel,
    ):
        stub, push = GatewayServiceStub(channel), pb.UnicastPushRequest()
        await stub.PushToClient(push, timeout=20)
        before = memory_of(pid)
        host, port = address.split(":")
        until = time.monotonic() + SECONDS
        attacking = asyncio.ensure_future(carry_out(ATTACKS[name], (host, int(port)), until, 8, PAUSE))
        answered = 0
        while not attacking.done():
            assert (await stub.PushToClient(push, timeout=20)).error_code == "TARGET_NOT_FOUND"
            answered += 1
            await asyncio.sleep(0.02)
        sent, _ = await attacking
        assert sent
        assert answered
        grown = memory_of(pid) - before
        assert grown < GROWTH, f"{sent} parts were sent, and it grew by {grown >> 20} MiB"
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as fresh:
            assert (await GatewayServiceStub(fresh).PushToClient(push, timeout=20)).error_code == "TARGET_NOT_FOUND"


async def test_a_new_service_finds_its_turn_among_calls_that_send_nothing() -> None:
    """Each of them holds a place of strangers for five seconds; that of the new one comes with the first that ends."""
    async with control_process() as (address, _):
        host, port = address.split(":")
        until = time.monotonic() + 12.0
        attacking = asyncio.ensure_future(carry_out(ATTACKS["dripped"], (host, int(port)), until, connections=2))
        await asyncio.sleep(0.5)  # until the places are taken, which nobody outside can see
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = GatewayServiceStub(channel)
            assert (await stub.PushToClient(pb.UnicastPushRequest(), timeout=30)).error_code == "TARGET_NOT_FOUND"
            assert not attacking.done()
        attacking.cancel()
        await asyncio.gather(attacking, return_exceptions=True)
