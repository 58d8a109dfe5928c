"""Calls that wait for an acknowledgement: they hold no place of others, and what they wait for ends with them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.config import join_address
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from tests.control.doors import start_control
from tests.control.recording import RecordingPusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MANY = 200
"""More than there are places."""


@contextlib.asynccontextmanager
async def served(pusher: RecordingPusher) -> AsyncIterator[tuple[GatewayServiceStub, GatewayServiceStub]]:
    """Stubs of two connections."""
    control = await start_control(pusher)
    address = join_address(*control.address)
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, own) as one, grpc.aio.insecure_channel(address, own) as other:
        yield GatewayServiceStub(one), GatewayServiceStub(other)
    await control.stop()


async def seen(pusher: RecordingPusher, count: int) -> None:
    async with asyncio.timeout(20.0):
        while len(pusher.seen) < count:
            await asyncio.sleep(0.01)


async def test_calls_that_wait_hold_up_no_others() -> None:
    pusher = RecordingPusher()
    async with served(pusher) as (one, other):
        calls = [one.PushToClient(pb.UnicastPushRequest(wait_ack_ms=60_000), timeout=30) for _ in range(MANY)]
        await seen(pusher, MANY)
        assert (await other.PushToClient(pb.UnicastPushRequest(), timeout=10)).error_code == "TARGET_NOT_FOUND"
        assert not any(call.done() for call in calls)
        pusher.acknowledged.set()
        answers = await asyncio.gather(*calls)
        assert {answer.outcome for answer in answers} == {pb.PUSH_OUTCOME_ACKNOWLEDGED}


async def test_receipts_come_as_a_stream() -> None:
    pusher = RecordingPusher()
    async with served(pusher) as (one, _):
        calls = [one.PushWithReceipts(pb.UnicastPushRequest(), timeout=30) for _ in range(MANY)]
        first = [await call.read() for call in calls]
        assert {receipt.outcome for receipt in first} == {pb.PUSH_OUTCOME_ACCEPTED}
        assert first[0].answer.error_code == "TARGET_NOT_FOUND"
        pusher.acknowledged.set()
        for call in calls:
            assert (await call.read()).outcome == pb.PUSH_OUTCOME_ACKNOWLEDGED
            assert await call.read() is grpc.aio.EOF


async def test_a_batch_has_an_answer_for_each() -> None:
    pusher = RecordingPusher()
    pusher.acknowledged.set()
    async with served(pusher) as (one, _):
        batch = pb.BatchPushRequest(pushes=[pb.UnicastPushRequest(wait_ack_ms=at % 2) for at in range(1024)])
        answer = await one.PushBatch(batch, timeout=20)
        assert [each.outcome for each in answer.responses[:2]] == [
            pb.PUSH_OUTCOME_NOT_ASKED,
            pb.PUSH_OUTCOME_ACKNOWLEDGED,
        ]
        assert len(answer.responses) == 1024


async def test_a_batch_that_is_too_large_does_nothing() -> None:
    pusher = RecordingPusher()
    async with served(pusher) as (one, _):
        batch = pb.BatchPushRequest(pushes=[pb.UnicastPushRequest()] * 1025)
        with pytest.raises(grpc.aio.AioRpcError, match="1024 pushes, this one has 1025"):
            await one.PushBatch(batch, timeout=10)
        large = pb.BatchPushRequest(pushes=[pb.UnicastPushRequest(data=bytes(1 << 20))] * 2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await one.PushBatch(large, timeout=10)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert not pusher.seen


@pytest.mark.parametrize("method", ["PushToClient", "PushWithReceipts", "PushBatch"])
async def test_a_bug_is_an_internal_error(method: str) -> None:
    pusher = RecordingPusher()
    pusher.error = RuntimeError("bug")
    request = (
        pb.BatchPushRequest(pushes=[pb.UnicastPushRequest()]) if method == "PushBatch" else pb.UnicastPushRequest()
    )
    async with served(pusher) as (one, _):
        call = getattr(one, method)(request, timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await (call.read() if method == "PushWithReceipts" else call)
        assert failed.value.code() is grpc.StatusCode.INTERNAL
