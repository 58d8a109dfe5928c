"""A service is never told more time than there is, whatever gRPC makes of it on the way (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import UpstreamTimeout
from quicgw_fast.upstream.timeouts import sendable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

AWKWARD = (0.05, 0.2, 0.2004, 0.999, 1.0, 1.001, 2.345, 9.99, 9.999, 10.0, 10.001, 15.05, 29.95, 29.9997, 30.0)
LONG = (99.95, 100.0, 123.45, 1000.0, 3600.0, 5000.5, 86_400.0)


async def test_a_service_is_told_at_most_what_remains(
    upstream: Callable[[], Awaitable[RawUpstream]], side_for: Callable[..., Upstream]
) -> None:
    server = await upstream()
    side = side_for(server.address)
    await side.caller.call(UpstreamRequest(action="first"), 10.0)
    for seconds in (*AWKWARD, *LONG):
        await side.caller.call(UpstreamRequest(action="echo"), seconds)
        told = server.seen[-1].remaining
        assert told is not None
        assert told <= seconds, seconds
        assert told > seconds * 0.98 - 0.03, f"{seconds}: far less than there was"


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001, 0.0025])
async def test_no_call_is_made_for_a_time_that_could_not_be_told(
    upstream: Callable[[], Awaitable[RawUpstream]], side_for: Callable[..., Upstream], seconds: float
) -> None:
    server = await upstream()
    with pytest.raises(UpstreamTimeout):
        await side_for(server.address).caller.call(UpstreamRequest(action="echo"), seconds)
    assert not server.seen


@given(st.floats(0.0, 1e6))
def test_the_loss_is_small(seconds: float) -> None:
    told = sendable(seconds)
    assert told < seconds
    if seconds < 100_000:
        assert seconds - told <= seconds * 0.01 + 0.0031
