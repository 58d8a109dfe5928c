"""A real process that comes near the memory it may take gives up a little more with each stage, and recovers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.raw_client import HandshakeError
from tests.support.raw_upstream import RawUpstream
from tests.support.world import assert_closed
from tests.wire.test_overload import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient

TABLES = """
[limits]
memory = "64GiB"
[overload]
memory_stages = [0.1, 0.2, 0.3, 0.4]
"""


async def online(stack: contextlib.AsyncExitStack, address: tuple[str, int], openid: str) -> RawClient:
    client = await stack.enter_async_context(await raw_client.connect(*address))
    assert (await client.start(openid)).success
    assert wire.business(await client.hello()).code == 200
    return client


async def reach(admin: str, stage: int, share: float) -> dict[str, Any]:
    """Have the process take this share of what it may, until it is in that stage; what /stats says then."""
    stats = await stats_when(admin, lambda gauges: gauges["memory_used"] > 0)
    limit = int(stats["gauges"]["memory_used"] / share)
    assert (await ask(admin, "PATCH", "/overload", {"limits": {"memory": limit}}))[0] == 200
    return await stats_when(admin, lambda gauges: gauges["memory_stage"] == stage)


async def stats_when(admin: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            _, stats = await ask(admin, "GET", "/stats")
            if holds(stats["gauges"]):
                return dict(stats)
            await asyncio.sleep(0.05)


async def refused(address: tuple[str, int]) -> str:
    """What a new client is told."""
    try:
        async with await raw_client.connect(*address) as client:
            close = await client.wait_closed(20.0)
    except HandshakeError as error:
        assert error.info is not None
        close = error.info
    return close.reason


async def test_stage_by_stage_and_back(tmp_path: Path, certificate: tuple[Path, Path], parts: Parts) -> None:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(RawUpstream("all"))
        config = write_config(tmp_path, certificate, upstream.address, TABLES)
        gateway = await stack.enter_async_context(GatewayProcess.serve(config, parts=parts))
        address, admin = gateway.ready.quic, gateway.ready.admin
        alice = await online(stack, address, "alice")
        waiting = await stack.enter_async_context(await raw_client.connect(*address))
        assert (await waiting.start("bob")).success

        await reach(admin, 1, 0.15)
        assert (await refused(address)).startswith("OVERLOADED: the memory of the process is short, retry-after-ms ")
        status, why = await ask(admin, "GET", "/readyz")
        assert status == 503
        assert "no new connections" in why
        assert wire.business(await alice.call("echo")).code == 200

        await reach(admin, 2, 0.25)
        push = await waiting.hello()
        assert wire.error(push).error_code == 503
        assert int(push.headers["retry-after-ms"]) >= 1000
        assert wire.business(await alice.call("echo")).code == 200

        await reach(admin, 3, 0.35)
        assert wire.error(await alice.call("echo")).error_code == 503
        assert not upstream.cancelled

        await reach(admin, 4, 0.5)
        phrase = await assert_closed(alice, CloseCode.OVERLOADED)
        assert "the memory of the process is short, retry-after-ms " in phrase
        assert "memory is short" in gateway.errors

        stats = await reach(admin, 0, 0.01)
        assert (await ask(admin, "GET", "/readyz"))[0] == 200
        assert stats["counters"]["large_sessions_closed"] >= 1
        assert stats["refused"]["request"]["memory"] == 1
        back = await stack.enter_async_context(await raw_client.connect(*address))
        assert alice.started is not None
        answer = await back.start("alice", "", 0, alice.started.connection_id, alice.started.epoch)
        assert answer.resumed, answer
        back.next_seq = alice.next_seq
        assert wire.business(await back.call("echo")).code == 200
        assert push.type == pb.PUSH_ERROR


async def test_in_mode_observe_it_is_only_told(tmp_path: Path, certificate: tuple[Path, Path], parts: Parts) -> None:
    tables = TABLES.replace("[overload]", '[overload]\nobserve = ["memory"]')
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(RawUpstream("all"))
        config = write_config(tmp_path, certificate, upstream.address, tables)
        gateway = await stack.enter_async_context(GatewayProcess.serve(config, parts=parts))
        await reach(gateway.ready.admin, 4, 0.5)
        alice = await online(stack, gateway.ready.quic, "alice")
        assert wire.business(await alice.call("echo")).code == 200
        _, stats = await ask(gateway.ready.admin, "GET", "/stats")
        assert stats["would_reject"]["established"]["memory"] == 1
        assert stats["would_reject"]["request"]["memory"] == 2
        assert stats["refused"]["request"]["memory"] == 0
        assert (await ask(gateway.ready.admin, "GET", "/readyz"))[0] == 200
