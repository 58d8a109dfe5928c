"""A gateway as it is put together: what is made as the configuration says, and what a test may put in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast import backend
from quicgw_fast import config as configs
from quicgw_fast.assembly import Assembled, assemble_gateway
from quicgw_fast.clock import SystemClock
from quicgw_fast.errors import ConfigError
from quicgw_fast.observe import Metrics
from quicgw_fast.ports import Arrival, CallFacts

if TYPE_CHECKING:
    from typing import Any

    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse

FIRST_PACKET = Arrival("192.0.2.1:1", proven=True, half_open=0, connections=0, draining=True, now=0.0)


async def answer(request: UpstreamRequest, timeout: float) -> UpstreamResponse:
    raise AssertionError(f"nobody calls {request.action} within {timeout} s")


def assembled(metrics: Metrics, **sections: dict[str, Any]) -> Assembled:
    config = configs.read(overrides=sections)
    return assemble_gateway(config, backend, SystemClock(), metrics, chores=[lambda _now: None])


async def test_a_count_of_a_rule_is_the_same_whoever_asks_it() -> None:
    """All rules are made once: those of the listener, of the legs, and of the calls."""
    metrics = Metrics()
    gateway = assembled(metrics, upstream={"max_concurrency": 1})
    gateway.gates.connections.connection(FIRST_PACKET)
    gateway.upstream.caller._gate.judge(CallFacts("hello", 1, 1))
    assert metrics.count("refused", "connection", "draining") == metrics.count("refused", "call", "concurrency") == 1
    assert metrics.count("upstream_max_concurrency") == 1


async def test_calls_are_judged_where_the_configuration_bounds_them() -> None:
    assert assembled(Metrics(), upstream={"max_concurrency": 1}).upstream.caller._gate.asks
    assert not assembled(Metrics()).upstream.caller._gate.asks


@pytest.mark.parametrize("own", [True, False])
async def test_who_brings_services_looks_after_them(own: bool, caplog: pytest.LogCaptureFixture) -> None:
    clock = SystemClock()
    gateway = assemble_gateway(configs.read(), backend, clock, Metrics(), call=answer if own else None)
    gateway.path.housekeeping.round(clock.now() + 10.0, clock.wall())
    assert ("not ready" in [record.getMessage() for record in caplog.records]) is not own


async def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(ConfigError, match="'nonsense'"):
        assembled(Metrics(), overload={"observe": ["nonsense"]})
