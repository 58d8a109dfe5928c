from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import UpstreamFailed, causes
from tests.upstream.conftest import StartProcess, until_health

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

    SideFor = Callable[..., Upstream]
    Start = Callable[[], Awaitable[RawUpstream]]

REQUEST = UpstreamRequest(action="x")
COMEBACK = 15.0
"""An upstream that came back should be used within 2 s; the rest is for a busy machine."""


async def test_stopped_instance_is_skipped_and_used_again_when_back(upstream: Start, side_for: SideFor) -> None:
    steady, flaky = await upstream(), await upstream()
    side = side_for(steady.address, flaky.address)
    for _ in range(4):
        await side.caller.call(REQUEST, 5.0)
    instance = side.directory.instances()[1]
    address = flaky.address
    await flaky.stop()
    await until_health(instance, False)
    for _ in range(6):
        await side.caller.call(REQUEST, 5.0)
    assert (len(steady.seen), len(flaky.seen)) == (8, 2)
    await flaky.start(address)
    async with asyncio.timeout(COMEBACK):
        await until_health(instance, True)
    for _ in range(4):
        await side.caller.call(REQUEST, 5.0)
    assert (len(steady.seen), len(flaky.seen)) == (10, 4)
    assert instance.failures == 0
    await side.close()


async def test_instance_that_was_never_there_is_used_when_it_comes(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    address = server.address
    await server.stop()
    side = side_for(address)
    await until_health(side.directory.instances()[0], False)
    with pytest.raises(UpstreamFailed):
        await side.caller.call(REQUEST, 5.0)
    await server.start(address)
    async with asyncio.timeout(COMEBACK):
        await until_health(side.directory.instances()[0], True)
    assert (await side.caller.call(REQUEST, 5.0)).code == 200
    await side.close()


async def test_killed_and_restarted_process_is_used_again(start_process: StartProcess, side_for: SideFor) -> None:
    process, address = await start_process(0)
    side = side_for(address)
    instance = side.directory.instances()[0]
    assert (await side.caller.call(REQUEST, 10.0)).code == 200
    process.kill()
    await process.wait()
    await until_health(instance, False)
    with pytest.raises(UpstreamFailed):
        await side.caller.call(REQUEST, 5.0)
    _, again = await start_process(int(address.rpartition(":")[2]))
    assert again == address
    async with asyncio.timeout(COMEBACK):
        await until_health(instance, True)
    assert (await side.caller.call(REQUEST, 5.0)).code == 200
    await side.close()


async def test_first_call_after_a_kill_fails_at_once(start_process: StartProcess, side_for: SideFor) -> None:
    process, address = await start_process(0)
    side = side_for(address)
    await side.caller.call(REQUEST, 10.0)
    process.kill()
    await process.wait()
    with pytest.raises(UpstreamFailed) as caught:
        await side.caller.call(REQUEST, 5.0)
    assert caught.value.status == "UNAVAILABLE"
    assert side.directory.instances()[0].in_flight == 0
    await side.close()


async def test_health_changes_are_logged_once(
    upstream: Start, side_for: SideFor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "quicgw.upstream")
    server = await upstream()
    side = side_for(server.address)
    for _ in range(20):
        await side.caller.call(REQUEST, 5.0)
    await server.stop()
    await until_health(side.directory.instances()[0], False)
    await side.close()
    told = [record for record in caplog.records if record.name == "quicgw.upstream"]
    assert [(record.getMessage(), record.levelname) for record in told] == [
        ("upstream up", "INFO"),
        ("upstream down", "WARNING"),
        ("not ready", "WARNING"),
    ]
    down = vars(told[1])
    assert (down["address"], down["services"]) == (server.address, "hello")
    # Who dials while it is about to stop may still be let in, and is hung up on.
    assert down["reason"] in (causes.NOTHING_LISTENS, causes.BROKE_OFF)
