"""What a service gets beside the request; the same from every maker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.proto.service_pb2 import UpstreamRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

    Start = Callable[[], Awaitable[RawUpstream]]
    SideFor = Callable[..., Upstream]

REQUEST = UpstreamRequest(action="x")
METADATA = (("x-request-id", "s-1"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"), ("tracestate", "a=1"))


async def test_each_call_carries_its_own_metadata(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    side = side_for(server.address)
    ids = [f"session-{number}" for number in range(50)]
    # The first ones wait for the connection, the others find it there.
    calls = (side.caller.call(REQUEST, 5.0, (("x-request-id", name),)) for name in ids)
    await asyncio.gather(*calls, side.caller.call(REQUEST, 5.0, METADATA))
    assert sorted(seen.metadata["x-request-id"] for seen in server.seen) == sorted([*ids, "s-1"])
    (whole,) = (seen.metadata for seen in server.seen if "traceparent" in seen.metadata)
    assert dict(METADATA).items() <= whole.items()


async def test_a_call_without_metadata_has_none(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    await side_for(server.address).caller.call(REQUEST, 5.0)
    assert server.seen[0].metadata.keys() <= {"user-agent"}
