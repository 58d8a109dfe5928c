"""A service that renews its connections: no call fails for it, none runs twice, and nobody takes it for down."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc

from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceServicer, add_UpstreamServiceServicer_to_server
from quicgw_fast.upstream import UpstreamFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from quicgw_fast.upstream import Upstream

ABREAST = 32
RENEWALS = 8
AGE_MS = 300
"""Far above what it takes to connect, on a machine that does other things as well: a connection that is closed before
it is complete means something else."""
GRACE_MS = 5000


class Counting(UpstreamServiceServicer):
    """Counts how often each request ran, and from how many connections they came."""

    def __init__(self) -> None:
        self.runs: Counter[int] = Counter()
        self.peers: set[str] = set()

    async def ProcessRequest(
        self, request: UpstreamRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> UpstreamResponse:
        self.runs[request.client_seq_id] += 1
        self.peers.add(context.peer())
        return UpstreamResponse(code=200)


async def test_no_call_fails_or_runs_twice_when_connections_are_renewed(
    side_for: Callable[..., Upstream], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "quicgw.upstream")
    service = Counting()
    options = (
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", AGE_MS),
        ("grpc.max_connection_age_grace_ms", GRACE_MS),
    )
    server = grpc.aio.server(options=options)
    add_UpstreamServiceServicer_to_server(service, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    side = side_for(address)
    numbers = itertools.count()
    failed: list[str] = []

    async def work() -> None:
        while len(service.peers) <= RENEWALS:
            number = next(numbers)
            try:
                await side.caller.call(UpstreamRequest(action="x", client_seq_id=number), 20.0)
            except UpstreamFailed as error:
                failed.append(error.internal)

    try:
        await asyncio.gather(*(work() for _ in range(ABREAST)))
    finally:
        await side.close()
        await server.stop(None)
    assert failed == []
    assert service.runs == Counter(range(next(numbers)))
    ours = [record.getMessage() for record in caplog.records if record.name == "quicgw.upstream"]
    assert ours == ["upstream up"]
