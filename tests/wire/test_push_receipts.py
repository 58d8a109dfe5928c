"""Protocol §4: what a service may ask for with a push, over real connections and real gRPC."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from quicgw_fast.proto import service_pb2 as pb
from tests.support import wire

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

ACKNOWLEDGED, PENDING, LOST = pb.PUSH_OUTCOME_ACKNOWLEDGED, pb.PUSH_OUTCOME_PENDING, pb.PUSH_OUTCOME_LOST


def texts(client: RawClient) -> list[str]:
    return [wire.business(push).data.decode() for push in client.notifies]


def a_push(content: str, **fields: object) -> pb.UnicastPushRequest:
    return pb.UnicastPushRequest(target_type="openid", target_id="alice", content=content, **fields)  # type: ignore[arg-type]


async def stored(world: World, count: int) -> None:
    async with asyncio.timeout(20.0):
        while world.gateway.stats()["counters"]["pushes_stored"] < count:
            await asyncio.sleep(0.02)


async def test_a_push_is_answered_when_its_client_has_it(world: World) -> None:
    client = await world.online("alice")
    push = asyncio.ensure_future(world.pusher.push("alice", content="1", wait_ack_ms=20_000))
    got = await client.wait_for(wire.is_notify)
    assert not push.done()
    client.ack(got.seq_id)
    answer = await push
    assert (answer.success, answer.outcome, answer.seq_id) == (True, ACKNOWLEDGED, got.seq_id)
    late = await world.pusher.push("alice", content="2", wait_ack_ms=50)
    assert (late.success, late.outcome) == (True, PENDING)


async def test_more_calls_wait_than_there_are_places(world: World) -> None:
    client = await world.online("alice")
    pushes = [asyncio.ensure_future(world.pusher.push("alice", wait_ack_ms=30_000)) for _ in range(100)]
    await client.wait_count(100, wire.is_notify)
    assert (await world.pusher.push("alice", content="not waiting")).success
    client.ack(client.notifies[-1].seq_id)
    assert {answer.outcome for answer in await asyncio.gather(*pushes)} == {ACKNOWLEDGED}


async def test_a_caller_that_goes_away_frees_its_place(make_world: WorldMaker) -> None:
    world = await make_world(push={"receipts": 1})
    client = await world.online("alice")
    push = asyncio.ensure_future(world.pusher.push("alice", wait_ack_ms=60_000))
    await client.wait_count(1, wire.is_notify)
    assert (await world.pusher.push("alice", wait_ack_ms=1)).error_code == "RECEIPT_LIMIT"
    push.cancel()
    async with asyncio.timeout(10.0):
        while (await world.pusher.push("alice", wait_ack_ms=1)).error_code:
            await asyncio.sleep(0.01)


async def test_receipts_as_a_stream_across_a_resume(world: World) -> None:
    client = await world.online("alice")
    call = world.pusher.stub.PushWithReceipts(a_push("1", wait_ack_ms=30_000), timeout=40)
    accepted = await call.read()
    assert (accepted.outcome, accepted.answer.success) == (pb.PUSH_OUTCOME_ACCEPTED, True)
    got = await client.wait_for(wire.is_notify)
    client.abandon()
    await world.resumed(client, got.seq_id)
    receipt = await call.read()
    assert (receipt.outcome, receipt.seq_id) == (ACKNOWLEDGED, got.seq_id)
    assert await call.read() is grpc.aio.EOF
    refused = world.pusher.stub.PushWithReceipts(
        pb.UnicastPushRequest(target_type="openid", target_id="nobody"), timeout=20
    )
    assert (await refused.read()).outcome == pb.PUSH_OUTCOME_REFUSED
    assert await refused.read() is grpc.aio.EOF


async def test_what_ends_with_the_session_is_lost(world: World) -> None:
    client = await world.online("alice")
    push = asyncio.ensure_future(world.pusher.push("alice", wait_ack_ms=30_000))
    await client.wait_for(wire.is_notify)
    client.stop()
    answer = await push
    assert (answer.outcome, answer.lost_reason) == (LOST, pb.LOST_REASON_SESSION_ENDED)


async def test_a_client_that_comes_back_gets_the_newest_in_time(world: World) -> None:
    client = await world.online("alice")
    await client.close()
    async with asyncio.timeout(20.0):  # until the gateway has noticed
        while (await world.pusher.push("alice", content="score", supersede_key="score")).message == "sent":
            await asyncio.sleep(0.05)
    short = asyncio.ensure_future(world.pusher.push("alice", content="late", ttl_ms=100, wait_ack_ms=20_000))
    old = asyncio.ensure_future(world.pusher.push("alice", content="old", supersede_key="k", wait_ack_ms=20_000))
    assert (await short).lost_reason == pb.LOST_REASON_TTL
    await world.pusher.push("alice", content="new", supersede_key="k")
    assert (await old).lost_reason == pb.LOST_REASON_SUPERSEDED
    again = await world.resumed(client, 1)
    await again.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"new")
    assert not {"late", "old"} & set(texts(again))
    numbers = [push.seq_id for push in again.notifies]
    assert numbers == list(range(2, 2 + len(numbers)))


async def test_a_repeated_push_is_sent_once(world: World) -> None:
    client = await world.online("alice")
    answers = [await world.pusher.push("alice", content="once", idempotency_key="k") for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (await world.pusher.push("alice", content="other", idempotency_key="k")).error_code == "IDEMPOTENCY_CONFLICT"
    await world.pusher.push("alice", content="last")
    await client.wait_for(lambda push: wire.is_notify(push) and wire.business(push).data == b"last")
    assert texts(client) == ["once", "last"]


async def test_a_batch_waits_for_all(world: World) -> None:
    client = await world.online("alice")
    pushes = [a_push(str(number), wait_ack_ms=20_000) for number in range(200)]
    pushes[7] = pb.UnicastPushRequest(target_type="openid", target_id="nobody")
    batch = asyncio.ensure_future(world.pusher.stub.PushBatch(pb.BatchPushRequest(pushes=pushes), timeout=30))
    await client.wait_count(199, wire.is_notify)
    client.ack(150)
    assert (await world.pusher.push("alice", content="meanwhile")).success
    assert not batch.done()
    client.ack(200)
    responses = (await batch).responses
    assert [answer.seq_id for answer in responses] == [*range(2, 9), 0, *range(9, 201)]
    assert responses[7].error_code == "TARGET_NOT_FOUND"
    assert {answer.outcome for answer in responses if answer.success} == {ACKNOWLEDGED}


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_what_is_stored_is_followed_to_the_client(make_world: WorldMaker, tmp_path: Path, store: str) -> None:
    offline = {"store": store, **({"path": str(tmp_path / "store.db")} if store == "sqlite" else {})}
    world = await make_world(offline=offline)
    push = asyncio.ensure_future(world.pusher.push("alice", content="stored", wait_ack_ms=30_000))
    old = asyncio.ensure_future(world.pusher.push("alice", content="0:1", supersede_key="score", wait_ack_ms=30_000))
    await stored(world, 2)
    await world.pusher.push("alice", content="1:1", supersede_key="score")
    assert (await old).lost_reason == pb.LOST_REASON_SUPERSEDED
    client = await world.online("alice")
    await client.wait_count(2, wire.is_notify)
    assert texts(client) == ["stored", "1:1"]
    client.ack(client.notifies[0].seq_id)
    answer = await push
    assert (answer.message, answer.outcome, answer.seq_id) == ("stored", ACKNOWLEDGED, client.notifies[0].seq_id)


async def test_a_stream_for_a_push_that_nobody_followed(world: World) -> None:
    """The first try asked for no receipt: there is one terminal message all the same."""
    await world.online("alice")
    assert (await world.pusher.push("alice", idempotency_key="k", title="", msg_type="")).success
    call = world.pusher.stub.PushWithReceipts(a_push("", idempotency_key="k"), timeout=20)
    assert [(await call.read()).outcome for _ in range(2)] == [pb.PUSH_OUTCOME_ACCEPTED, PENDING]
    assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize(
    ("store", "told"),
    [("memory", (LOST, pb.LOST_REASON_STORE_DROPPED)), ("sqlite", (PENDING, pb.LOST_REASON_NONE))],
)
async def test_a_gateway_that_stops_tells_what_becomes_of_what_is_stored(
    make_world: WorldMaker, tmp_path: Path, store: str, told: tuple[int, int]
) -> None:
    """What is in a file is delivered after the restart; what is in memory ends with the process."""
    offline = {"store": store, **({"path": str(tmp_path / "store.db")} if store == "sqlite" else {})}
    world = await make_world(offline=offline)
    push = asyncio.ensure_future(world.pusher.push("alice", wait_ack_ms=30_000))
    calls = [world.pusher.stub.PushWithReceipts(a_push(str(n), wait_ack_ms=30_000), timeout=40) for n in range(20)]
    assert {(await call.read()).outcome for call in calls} == {pb.PUSH_OUTCOME_ACCEPTED}
    await stored(world, 21)
    await world.gateway.stop()
    for call in calls:
        receipt = await call.read()
        assert (receipt.outcome, receipt.lost_reason) == told
        assert await call.read() is grpc.aio.EOF
    answer = await push
    assert (answer.outcome, answer.lost_reason) == told


async def test_a_gateway_that_stops_answers_who_waits_for_a_client_that_is_away(world: World) -> None:
    client = await world.online("alice")
    call = world.pusher.stub.PushWithReceipts(a_push("1", wait_ack_ms=30_000), timeout=40)
    assert (await call.read()).outcome == pb.PUSH_OUTCOME_ACCEPTED
    client.abandon()
    await world.gateway.stop()
    receipt = await call.read()
    assert (receipt.outcome, receipt.lost_reason) == (LOST, pb.LOST_REASON_SESSION_ENDED)
    assert await call.read() is grpc.aio.EOF
