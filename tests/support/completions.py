"""What is an async function in a test, as the work that ends with a call which the gateway expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast import completions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Call, Metadata, ServiceRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse


def begun(function: Callable[[ServiceRequest, float, Metadata], Awaitable[UpstreamResponse]]) -> Call:
    """Call the function in a task of its own for each request."""

    async def called(request: ServiceRequest, timeout: float, metadata: Metadata) -> UpstreamResponse:
        return await function(request, timeout, metadata)

    def begin(request: ServiceRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata) -> Cancellable:
        return completions.begin(called(request, timeout, metadata), done, "service")

    return begin
