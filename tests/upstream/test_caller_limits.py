"""Calls that the rules do not let through: a bound of each service, and whatever else is asked before a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ErrorCode
from quicgw_fast.config import LimitsConfig, RoutingConfig, UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import Gate, Moment, Refusal, make_gates
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import (
    ServiceMode,
    UpstreamBusy,
)
from tests.upstream.conftest import side_of, under_way

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.ports import CallFacts
    from quicgw_fast.upstream.seam import OpenChannel
    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]


async def test_concurrency_limit_is_per_service(upstream: Start, open_channel: OpenChannel) -> None:
    server = await upstream()
    gate = server.hold("slow")

    mode = ServiceMode(RoutingConfig(exact={"x": "zone"}, replace_defaults=True, default="hello"))
    addresses = UpstreamConfig(hello=(server.address,), zone=(server.address,))
    metrics = Metrics()
    limit = make_gates(LimitsConfig(), metrics, max_concurrency=2).call
    side = side_of(addresses, mode, metrics=metrics, open_channel=open_channel, gate=limit)
    slow = UpstreamRequest(action="slow")
    running = [asyncio.create_task(side.caller.call(slow, 30.0)) for _ in range(2)]
    await server.wait_requests(2)
    with pytest.raises(UpstreamBusy) as caught:
        await side.caller.call(slow, 30.0)
    assert caught.value.code == 503
    assert (await side.caller.call(UpstreamRequest(action="x"), 5.0)).code == 200
    assert under_way(metrics) == {"hello": 2}
    gate.open()
    await asyncio.gather(*running)
    assert (await side.caller.call(slow, 5.0)).code == 200
    await side.close()


class Closed:
    """A rule that lets no service be called."""

    name = "closed"

    def judge(self, facts: CallFacts, /) -> Refusal | None:
        return Refusal(ErrorCode.RATE_LIMITED, f"{facts.service} is closed", "until later", retry_after=2.0)


async def test_whoever_is_refused_a_call_is_told_what_the_rule_says(upstream: Start, open_channel: OpenChannel) -> None:
    server, metrics = await upstream(), Metrics()
    gate = Gate(Moment.CALL, [Closed()], metrics)
    side = side_of(UpstreamConfig(hello=(server.address,)), metrics=metrics, open_channel=open_channel, gate=gate)
    with pytest.raises(UpstreamBusy) as caught:
        await side.caller.call(UpstreamRequest(action="x"), 5.0)
    told = caught.value
    assert (told.code, told.message, told.detail) == (429, "hello is closed", "until later")
    assert told.headers == {"retry-after-ms": "2001"}
    assert (metrics.count("upstream_busy"), metrics.count("refused", "call", "closed")) == (1, 1)
    assert not server.requests
    await side.close()
