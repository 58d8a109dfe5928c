"""The raw upstream answers as it is told, records what comes, and can be stopped and started."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc import aio

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto import service_pb2_grpc as rpc
from tests.support.raw_upstream import RawUpstream, Rejected, answer
from tests.support.wire import until


async def ask(address: str, action: str, data: bytes = b"", within: float = 5.0) -> pb.UpstreamResponse:
    async with aio.insecure_channel(address) as channel:
        request = pb.UpstreamRequest(action=action, data=data, client_seq_id=3)
        return await rpc.UpstreamServiceStub(channel).ProcessRequest(request, timeout=within)


async def test_each_action_has_its_own_answer() -> None:
    async def teapot(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        return answer(request, 418, "short and stout", headers={"a": "b"})

    async def broken(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        raise Rejected(grpc.StatusCode.UNAVAILABLE, "not today")

    async with RawUpstream() as upstream:
        upstream.on("teapot", teapot)
        upstream.on("broken", broken)
        assert (await ask(upstream.address, "Teapot")).code == 418
        assert (await ask(upstream.address, "anything", b"back")).data == b"back"
        with pytest.raises(aio.AioRpcError, match="not today"):
            await ask(upstream.address, "broken")
        assert [request.action for request in upstream.requests] == ["Teapot", "anything", "broken"]
        assert 0 < (upstream.seen[0].remaining or 0) < 5.1  # gRPC rounds


async def test_a_gate_holds_requests_and_a_deadline_cancels_them() -> None:
    async with RawUpstream() as upstream:
        gate = upstream.hold("slow")
        waiting = asyncio.create_task(ask(upstream.address, "slow"))
        await upstream.wait_requests(1, "slow")
        assert upstream.running == 1
        gate.open()
        assert (await waiting).client_seq_id == 3
        upstream.hold("slow")
        with pytest.raises(aio.AioRpcError, match="DEADLINE_EXCEEDED"):
            await ask(upstream.address, "slow", within=0.1)
        await until(lambda: upstream.cancelled == 1, what="the cancelled call")


async def test_a_stopped_upstream_refuses_and_comes_back_at_its_address() -> None:
    upstream = RawUpstream()
    address = await upstream.start()
    await upstream.stop()
    with pytest.raises(aio.AioRpcError, match="UNAVAILABLE"):
        await ask(address, "echo")
    assert await upstream.start(address) == address
    assert (await ask(address, "echo")).code == 200
    await upstream.stop()
