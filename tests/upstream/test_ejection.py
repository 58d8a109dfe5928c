"""Ejection over real calls: who is out gets none, is asked before it returns, and proves itself first."""

from __future__ import annotations

import asyncio
import math
from random import Random
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.config import UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream import Choice, UpstreamBusy, UpstreamFailed
from tests.support.raw_upstream import Rejected, answer
from tests.upstream.conftest import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

    SideFor = Callable[..., Upstream]
    Start = Callable[[], Awaitable[RawUpstream]]

REQUEST = UpstreamRequest(action="x")


async def reject(_: UpstreamRequest) -> UpstreamResponse:
    raise Rejected


async def test_who_fails_is_out_and_returns_on_trial(
    upstream: Start, side_for: SideFor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "quicgw.upstream")
    good, bad = await upstream(), await upstream()
    bad.on("x", reject)
    metrics = Metrics()
    side = side_for(good.address, bad.address, metrics=metrics, ejection_time=1.0)
    instance = side.directory.instances()[1]
    await until(lambda: all(each.connected for each in side.directory.instances()))
    failed = 0
    while instance.ejection is None:
        try:
            await side.caller.call(REQUEST, 5.0)
        except UpstreamFailed:
            failed += 1
    assert failed == 5
    (told,) = [each for each in side.report() if each["address"] == bad.address]
    assert (told["ejected"], told["healthy"], told["reason"]) == (True, True, "5 calls in a row failed")
    assert str(told["until"]).startswith("20")
    choice = Choice(side.directory, Random(1))
    assert all(choice.pick("hello") is not instance for _ in range(10))
    await until(lambda: instance.on_trial)
    with pytest.raises(UpstreamFailed):
        for _ in range(2):
            await side.caller.call(REQUEST, 5.0)
    assert instance.ejection is not None, "at once: no other call is to fail for it"
    assert metrics.count("upstream_ejections", "on-trial") == 1

    async def echo(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request)

    bad.on("x", echo)
    await until(lambda: instance.on_trial)
    for _ in range(2):
        await side.caller.call(REQUEST, 5.0)
    await until(lambda: not instance.on_trial)
    said = [record.getMessage() for record in caplog.records]
    assert "upstream ejected" in said
    assert "upstream returned" in said


async def test_who_is_slow_beside_the_others_is_out(upstream: Start, side_for: SideFor) -> None:
    servers = [await upstream() for _ in range(3)]

    async def slow(request: UpstreamRequest) -> UpstreamResponse:
        await asyncio.sleep(0.3)
        return answer(request)

    servers[2].on("x", slow)
    metrics = Metrics()
    side = side_for(*(server.address for server in servers), metrics=metrics)
    going = True

    async def work() -> None:
        while going:
            await side.caller.call(REQUEST, 5.0)
            await asyncio.sleep(0.01)

    workers = [asyncio.create_task(work()) for _ in range(4)]
    await until(lambda: metrics.count("upstream_ejections", "slow") == 1)
    going = False
    await asyncio.gather(*workers)
    assert [each.ejection is not None for each in side.directory.instances()] == [False, False, True]


async def test_with_ejection_off_everybody_stays(upstream: Start, side_for: SideFor) -> None:
    good, bad = await upstream(), await upstream()
    bad.on("x", reject)
    side = side_for(good.address, bad.address, ejection=False)
    await until(lambda: all(each.connected for each in side.directory.instances()))
    outcomes = [await asyncio.gather(side.caller.call(REQUEST, 5.0), return_exceptions=True) for _ in range(30)]
    assert sum(isinstance(outcome, UpstreamFailed) for (outcome,) in outcomes) == 15
    await asyncio.sleep(0.6)  # two looks
    assert side.directory.instances()[1].ejection is None


async def test_a_full_service_refuses_and_says_when_to_come_back(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    gate = server.hold("slow")
    metrics = Metrics()
    side = side_for(server.address, metrics=metrics)
    (instance,) = side.directory.instances()
    instance.room = 1
    first = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 30.0))
    await server.wait_requests(1)
    instance.room = 1  # in case that the watch looked
    with pytest.raises(UpstreamBusy) as caught:
        await side.caller.call(REQUEST, 5.0)
    assert (caught.value.code, caught.value.headers) == (503, {"retry-after-ms": "101"})
    assert metrics.count("upstream_busy") == 1
    gate.open()
    await first


async def test_other_settings_count_from_the_next_look_on(upstream: Start, side_for: SideFor) -> None:
    good, bad = await upstream(), await upstream()
    bad.on("x", reject)
    side = side_for(good.address, bad.address)
    first, second = side.directory.instances()
    await until(lambda: first.connected and second.connected)
    while second.ejection is None:
        await asyncio.gather(side.caller.call(REQUEST, 5.0), return_exceptions=True)
        await asyncio.sleep(0.01)
    await until(lambda: first.room == 100)
    side.watch.reconfigure(UpstreamConfig(ejection=False, adaptive_concurrency=False))
    assert second.ejection is None, "off is off"
    await until(lambda: math.isinf(first.room))
    side.watch.reconfigure(UpstreamConfig(ejection_time=0.5, least_concurrency=200))
    await until(lambda: first.room == 100)
    while second.ejection is None:
        await asyncio.gather(side.caller.call(REQUEST, 5.0), return_exceptions=True)
        await asyncio.sleep(0.01)
    await until(lambda: second.on_trial)
