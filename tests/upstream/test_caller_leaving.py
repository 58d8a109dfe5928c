"""Instances that come and go while they are called: the calls under way are answered, or hung up with them."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.clock import SystemClock
from quicgw_fast.config import UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import Gate, Moment, Refusal
from quicgw_fast.ports import CallFacts
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import (
    SERVICES,
    BalancingCaller,
    Directory,
    NoInstance,
    UpstreamFailed,
)
from quicgw_fast.upstream.channels import Channels
from quicgw_fast.upstream.choice import Choice
from quicgw_fast.upstream.journal import UpstreamJournal
from quicgw_fast.upstream.readiness import Readiness
from tests.upstream.conftest import ALL_TO_HELLO, side_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream.seam import OpenChannel
    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]


async def test_registered_instance_is_dialled_and_an_evicted_one_hung_up(
    upstream: Start, open_channel: OpenChannel
) -> None:
    old, new = await upstream(), await upstream()
    old.hold("slow")
    directory, clock = Directory(SERVICES, max_instances=1), SystemClock()
    journal = UpstreamJournal(directory, clock)
    channels = Channels(directory, open_channel, clock, journal, Readiness(ALL_TO_HELLO, directory), None)
    no_rules = Gate[CallFacts, Refusal](Moment.CALL, [], Metrics())
    choice = Choice(directory, Random(1))
    caller = BalancingCaller(ALL_TO_HELLO, choice, channels, journal, clock, Metrics(), no_rules, judge=lambda _: None)
    channels.start()
    instance = directory.register(old.address, "hello").instance
    assert await channels.wait_reached(instance, 5.0)
    task = asyncio.create_task(caller.call(UpstreamRequest(action="slow"), 30.0))
    await old.wait_requests(1)
    instance.healthy = False
    newer = directory.register(new.address, "hello").instance
    with pytest.raises(UpstreamFailed, match="hung up"):
        await task
    assert await channels.wait_reached(newer, 5.0)
    await caller.call(UpstreamRequest(action="x"), 5.0)
    assert len(new.seen) == 1
    await channels.close()


async def test_a_deregistered_instance_answers_what_is_under_way(upstream: Start, open_channel: OpenChannel) -> None:
    server = await upstream()
    gate = server.hold("slow")
    side = side_of(UpstreamConfig(), open_channel=open_channel)
    instance = side.directory.register(server.address, "hello").instance
    assert await side.channels.wait_reached(instance, 5.0)
    task = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow", data=b"x"), 30.0))
    await server.wait_requests(1)
    side.directory.deregister(server.address, "hello")
    with pytest.raises(NoInstance):
        await side.caller.call(UpstreamRequest(), 5.0)
    gate.open()
    assert (await task).data == b"x"
    await side.close()


async def test_closing_does_not_wait_for_a_deregistered_instance(upstream: Start, open_channel: OpenChannel) -> None:
    server = await upstream()
    server.hold("slow")
    side = side_of(UpstreamConfig(), open_channel=open_channel)
    assert await side.channels.wait_reached(side.directory.register(server.address, "hello").instance, 5.0)
    task = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 30.0))
    await server.wait_requests(1)
    side.directory.deregister(server.address, "hello")
    async with asyncio.timeout(5.0):
        await side.close()
    with pytest.raises(UpstreamFailed, match="hung up"):
        await task
