"""Traces as a collector gets them, of whole gateways."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import grpc
import pytest_asyncio

from quicgw_fast.codes import SyncHint
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.tracing import otlp
from tests.support import wire
from tests.support.authority import Authority
from tests.support.collector import Collector, attributes, tree
from tests.support.raw_upstream import Rejected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.support.world import World, WorldMaker

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "shop=1"}


@pytest_asyncio.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as collector:
        yield collector


@pytest_asyncio.fixture
async def world(collector: Collector, make_world: WorldMaker) -> World:
    """A gateway that traces what its clients ask it to, and nothing else."""
    return await make_world(tracing={"endpoint": collector.address, "sample_ratio": 0})


async def test_one_trace_goes_from_the_client_to_the_flush(world: World, collector: Collector) -> None:
    client = await world.online("alice")
    await client.call("work", data=b"x", headers={**SAMPLED, "x-request-id": "order-7"})
    spans = await collector.wait(1)
    assert tree(spans) == {"": ["request"], "request": ["receive", "queue", "call", "reply"]}
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    by_name = {span.name: span for span in spans}
    request, call, reply = (by_name[name] for name in ("request", "call", "reply"))
    assert request.parent_span_id.hex() == PARENT
    seen = (await world.business.wait_requests(1, "work"))[0].metadata
    assert seen["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert (seen["tracestate"], seen["x-request-id"]) == ("shop=1", "order-7")
    assert client.started is not None
    told = attributes(request)
    assert told.pop("quicgw.session.id") == client.started.connection_id
    assert told == {
        "network.transport": "quic",
        "user.id": "alice",
        "quicgw.request.id": "order-7",
        "quicgw.request.number": client.next_seq - 1,
        "quicgw.action": "work",
        "quicgw.code": 200,
        "quicgw.outcome": "answer",
    }
    host, _, port = world.business.address.rpartition(":")
    assert attributes(call) == {
        "rpc.system": "grpc",
        "rpc.service": "gatesvr.proto.UpstreamService",
        "rpc.method": "ProcessRequest",
        "rpc.grpc.status_code": 0,
        "server.address": host,
        "server.port": int(port),
        "quicgw.code": 200,
    }
    assert attributes(reply) == {"quicgw.notifies": 0, "quicgw.delivery": "sent"}
    times = [(span.start_time_unix_nano, span.end_time_unix_nano) for span in spans]
    assert all(request.start_time_unix_nano <= begin <= end <= request.end_time_unix_nano for begin, end in times)
    order = [by_name[name] for name in ("receive", "queue", "call", "reply")]
    assert all(a.end_time_unix_nano <= b.start_time_unix_nano for a, b in itertools.pairwise(order))
    assert collector.resources[0]["service.name"] == "quicgw"


async def test_who_is_not_sampled_is_passed_on_and_not_traced(world: World, collector: Collector) -> None:
    client = await world.online("alice")
    await client.call("work", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    await client.call("work")
    await client.call("work", headers=SAMPLED)
    await collector.wait(1)
    assert [span.name for span in collector.spans].count("request") == 1
    unsampled, plain, _ = (seen.metadata for seen in await world.business.wait_requests(3))
    assert unsampled["traceparent"] == f"00-{TRACE}-{PARENT}-00"
    assert "traceparent" not in plain


async def test_what_goes_wrong_is_told(world: World, collector: Collector) -> None:
    async def reject(_: pb.UpstreamRequest) -> pb.UpstreamResponse:
        raise Rejected(grpc.StatusCode.INTERNAL, "the disk is full")

    world.business.on("bad", reject)
    client = await world.online("alice")
    assert wire.error(await client.call("bad", headers=SAMPLED)).error_code == 500
    by_name = {span.name: span for span in await collector.wait(1)}
    assert attributes(by_name["call"])["error.type"] == "UpstreamFailed"
    assert "INTERNAL: the disk is full" in by_name["call"].status.message
    told = attributes(by_name["request"])
    assert (told["quicgw.code"], told["quicgw.outcome"], told["error.type"]) == (500, "error", "500")
    assert by_name["request"].status.code == 2


async def test_a_request_that_waited_too_long_has_no_call(make_world: WorldMaker, collector: Collector) -> None:
    world = await make_world(tracing={"endpoint": collector.address}, processor={"max_workers": 1})
    gate = world.business.hold("slow")
    client, other = await world.online("alice"), await world.online("bob")
    slow = asyncio.create_task(client.call("slow"))
    await world.business.wait_requests(1, "slow")
    late = await other.call("work", headers={**SAMPLED, "timeout-ms": "50"})
    assert wire.error(late).error_code == 504
    gate.open()
    await slow
    mine: list[Span] = []

    def there() -> bool:
        mine[:] = [span for span in collector.spans if span.trace_id.hex() == TRACE]
        return any(span.name == "request" for span in mine)

    await wire.until(there, what="the trace is there")
    (ours,) = (span for span in mine if span.name == "request")
    assert attributes(ours)["quicgw.code"] == 504
    assert tree(mine)["request"] == ["receive", "queue", "reply"]


async def test_a_hello_is_traced_and_so_is_a_session_that_ends(world: World, collector: Collector) -> None:
    client = await world.started("alice")
    client.business("hello", headers=SAMPLED)
    spans = await collector.wait(1)
    assert tree(spans)["request"] == ["receive", "queue", "call", "reply"]
    world.business.hold("slow")
    client.business("slow", headers={"traceparent": f"00-{'c' * 32}-{PARENT}-01"})
    await world.business.wait_requests(1, "slow")
    client.stop()
    spans = await collector.wait(2)
    (ended,) = (span for span in spans if span.name == "request" and span.trace_id.hex() == "c" * 32)
    assert attributes(ended)["quicgw.outcome"] == "given up"


async def test_bound_notifies_are_counted_and_linked(world: World, collector: Collector) -> None:
    gate = world.business.hold("slow")
    client = await world.online("alice")
    number = client.next_seq
    call = asyncio.create_task(client.call("slow", headers=SAMPLED))
    await world.business.wait_requests(1, "slow")
    request = pb.UnicastPushRequest(
        target_type="openid", target_id="alice", msg_type="score", data=b"1", bind_client_seq_id=number,
    )  # fmt: skip
    request.sync_hint = SyncHint.BEFORE_RESPONSE.value  # type: ignore[assignment]
    theirs = f"00-{'d' * 32}-{PARENT}-01"
    answer = await world.pusher.stub.PushToClient(request, metadata=(("traceparent", theirs),))
    assert answer.message == "bound"
    gate.open()
    await call
    await collector.wait(1, "push")
    by_name = {span.name: span for span in await collector.wait(1)}
    push, asked = by_name["push"], by_name["request"]
    assert (push.trace_id.hex(), push.parent_span_id.hex()) == ("d" * 32, PARENT)
    assert [(link.trace_id, link.span_id) for link in push.links] == [(asked.trace_id, asked.span_id)]
    assert attributes(push)["quicgw.outcome"] == "bound"
    assert attributes(by_name["reply"])["quicgw.notifies"] == 1


async def test_a_refused_push_says_why(world: World, collector: Collector) -> None:
    request = pb.UnicastPushRequest(target_type="openid", target_id="nobody", msg_type="x", data=b"1")
    for metadata in ((("traceparent", "nonsense"),), tuple(SAMPLED.items())):
        await world.pusher.stub.PushToClient(request, metadata=metadata)
    (push,) = await collector.wait(1, "push")
    assert attributes(push)["error.type"] == "TARGET_NOT_FOUND"


async def test_a_start_is_traced_until_it_is_answered(world: World, collector: Collector) -> None:
    client = await world.connect()
    started = await client.start("alice", headers=SAMPLED)
    again = await world.connect()
    assert not (await again.start("", headers=SAMPLED)).success, "which is not even the START of anybody"
    other = await world.connect()
    resumed = await other.start("alice", session_id=started.connection_id, epoch=started.epoch, headers=SAMPLED)
    assert resumed.resumed
    late = await world.connect()
    claim = {"session_id": "gone", "epoch": "e", "headers": SAMPLED}
    assert not (await late.start("alice", last_acked=1, **claim)).resumed  # type: ignore[arg-type]
    spans = await collector.wait(3, "start")
    assert [span.name for span in spans] == ["start"] * 3
    assert {span.parent_span_id.hex() for span in spans} == {PARENT}
    told = [attributes(span) for span in spans]
    assert [each["quicgw.outcome"] for each in told] == ["started", "resumed", "reset"]
    assert told[0] == {
        "network.transport": "quic",
        "user.id": "alice",
        "quicgw.session.id": started.connection_id,
        "quicgw.outcome": "started",
    }


async def test_a_start_that_is_refused_says_why(world: World, collector: Collector) -> None:
    first = await (await world.connect()).start("alice")
    same = {"session_id": first.connection_id, "epoch": first.epoch}
    assert (await (await world.connect()).start("alice", **same, attempt=5)).resumed
    assert not (await (await world.connect()).start("alice", **same, attempt=4, headers=SAMPLED)).success
    (start,) = await collector.wait(1, "start")
    told = attributes(start)
    assert (told["quicgw.code"], told["error.type"], told["quicgw.outcome"]) == (403, "403", "error")
    assert (start.status.code, start.status.message) == (2, "outdated START")


async def test_all_ways_to_push_are_traced(world: World, collector: Collector) -> None:
    await world.online("alice")
    one, none = (
        pb.UnicastPushRequest(target_type="openid", target_id=name, msg_type="score", data=b"1")
        for name in ("alice", "nobody")
    )
    stub, metadata = world.pusher.stub, tuple(SAMPLED.items())
    await stub.PushBatch(pb.BatchPushRequest(pushes=[one, none]), metadata=metadata)
    await stub.BroadcastToClients(pb.BroadcastRequest(msg_type="news", data=b"1"), metadata=metadata)
    await stub.PushToGroup(pb.GroupPushRequest(group="g", msg_type="news", data=b"1"), metadata=metadata)
    await stub.PushToGroup(pb.GroupPushRequest(group="", msg_type="news"), metadata=metadata)
    async for receipt in stub.PushWithReceipts(one, metadata=metadata):
        assert receipt.outcome == pb.PUSH_OUTCOME_ACCEPTED
        break
    await collector.wait(1, "push")
    by_name = {span.name: span for span in collector.spans}
    assert {span.parent_span_id.hex() for span in collector.spans} == {PARENT}
    service = {"rpc.system": "grpc", "rpc.service": "gatesvr.proto.GatewayService"}
    batch, broadcast = attributes(by_name["push batch"]), attributes(by_name["broadcast"])
    assert batch == {**service, "rpc.method": "PushBatch", "quicgw.pushes": 2, "quicgw.refused": 1}
    assert by_name["push batch"].status.message == "1 of 2 were refused"
    sent = {"rpc.method": "BroadcastToClients", "quicgw.push.type": "news", "quicgw.sent": 1}
    assert broadcast == {**service, **sent}
    groups = [attributes(span) for span in collector.spans if span.name == "push to group"]
    same = {**service, "rpc.method": "PushToGroup", "quicgw.push.type": "news", "quicgw.sent": 0}
    refused = {"quicgw.group": "", "error.type": "BAD_GROUP"}
    assert groups == [{**same, "quicgw.group": "g"}, {**same, **refused}]
    assert attributes(by_name["push"])["rpc.method"] == "PushWithReceipts"


async def test_what_is_sampled_by_the_gateway_itself(make_world: WorldMaker, collector: Collector) -> None:
    world = await make_world(tracing={"endpoint": collector.address, "service_name": "edge"})
    client = await world.online("alice")
    await client.call("work")
    spans = await collector.wait(2)
    assert len({span.trace_id for span in spans}) == 3, "the START, the hello and the request"
    assert collector.resources[0]["service.name"] == "edge"


async def test_a_collector_that_is_down_holds_nobody_up(
    make_world: WorldMaker, collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "SECONDS", 1)
    caplog.set_level("INFO", "quicgw.tracing")
    await collector.stop()
    world = await make_world(tracing={"endpoint": collector.address, "queue": 20})
    client = await world.online("alice")
    for _ in range(20):
        assert wire.business(await client.call("work")).code == 200

    def counted(name: str) -> Any:
        return world.gateway.stats()["counters"][name]

    await wire.until(lambda: counted("trace_spans_lost") > 0, what="spans are lost")
    await wire.until(lambda: "spans not exported" in caplog.text, what="it is in the log")
    assert counted("trace_spans_exported") == 0
    again = Collector()
    await again.start(collector.address)
    try:
        async with asyncio.timeout(30):
            while not again.spans:
                await client.call("work")
                await asyncio.sleep(0.1)
        await wire.until(lambda: "spans exported again" in caplog.text, what="it is in the log")
    finally:
        await again.stop()


async def test_headers_and_tls_of_the_collector(make_world: WorldMaker, tmp_path: Path) -> None:
    authority, secure = Authority("collectors"), Collector()
    await secure.start(tls=authority.service())
    headers = tmp_path / "headers"
    headers.write_text("# of ours\nAuthorization: Bearer abc\n\nx-tenant: 7\n")
    try:
        tracing = {"endpoint": secure.address, "ca": authority.write(tmp_path), "headers_file": headers}
        world = await make_world(tracing=tracing)
        await world.online("alice")
        await secure.wait(1)
        assert secure.headers[0]["authorization"] == "Bearer abc"
        assert secure.headers[0]["x-tenant"] == "7"
    finally:
        await secure.stop()
