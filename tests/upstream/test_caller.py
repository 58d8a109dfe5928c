from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import uvloop

from quicgw_fast.backend import encode_body
from quicgw_fast.backend.constants import HEAD_MAX
from quicgw_fast.codes import PushType
from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.observe import Metrics, render_stats
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from quicgw_fast.upstream import (
    AnswerTooLarge,
    NoInstance,
    RoutingMode,
    ServiceMode,
    Upstream,
    UpstreamFailed,
    UpstreamTimeout,
    ZoneMode,
)
from quicgw_fast.upstream.method import PROCESS_REQUEST
from tests.support.raw_upstream import RawUpstream, Rejected, answer
from tests.upstream.conftest import side_of, under_way, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream.seam import OpenChannel

    Start = Callable[[], Awaitable[RawUpstream]]
    SideFor = Callable[..., Upstream]


async def serve_raw(response: bytes) -> tuple[grpc.aio.Server, str]:
    """An upstream that answers with these bytes, whether they are a message or not."""

    async def process(_: bytes, __: object) -> bytes:
        return response

    service, method = PROCESS_REQUEST.strip("/").split("/")
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {method: grpc.unary_unary_rpc_method_handler(process)}
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"


async def test_request_and_answer_pass_unchanged(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()

    async def reply(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, -7, "ünïcode", b"\x00\xff", {"zone": "3"})

    server.on("anything", reply)
    request = UpstreamRequest(
        session_id="s",
        openid="o",
        action="anything",
        params={"a": "1"},
        data=b"\x00",
        headers={"h": "v"},
        client_seq_id=2**64 - 1,
    )
    response = await side_for(server.address).caller.call(request, 5.0)
    assert server.requests == [request]
    assert (response.code, response.message, response.data) == (-7, "ünïcode", b"\x00\xff")
    assert dict(response.headers) == {"zone": "3"}
    assert response.client_seq_id == 2**64 - 1


@pytest.mark.parametrize(
    ("mode", "requests"),
    [
        (
            ServiceMode(RoutingConfig()),
            {
                "hello": UpstreamRequest(action="Hello", openid="zone"),
                "business": UpstreamRequest(action="buy", openid="hello"),
                "zone": UpstreamRequest(action="my_echo", openid="hello"),
            },
        ),
        (
            ZoneMode(RoutingConfig(zone_ranges=((1, 1, "001"), (2, 2, "002")))),
            {
                "001": UpstreamRequest(action="hello", openid="1"),
                "002": UpstreamRequest(action="hello", openid="2"),
            },
        ),
    ],
    ids=["by action", "by openid"],
)
async def test_a_request_goes_to_the_service_of_its_action_or_openid(
    mode: RoutingMode, requests: dict[str, UpstreamRequest], upstream: Start, open_channel: OpenChannel
) -> None:
    side = side_of(UpstreamConfig(), mode, open_channel=open_channel)
    servers = {service: await upstream() for service in requests}
    for service, server in servers.items():
        assert await side.channels.wait_reached(side.directory.register(server.address, service).instance, 5.0)
    for request in requests.values():
        await side.caller.call(request, 5.0)
    assert {service: server.requests for service, server in servers.items()} == {
        service: [request] for service, request in requests.items()
    }
    await side.close()


async def test_deadline_reaches_the_upstream(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    await side_for(server.address).caller.call(UpstreamRequest(action="x"), 7.5)
    remaining = server.seen[0].remaining
    assert remaining is not None
    assert 5.0 < remaining <= 7.6


async def test_round_robin_over_real_servers(upstream: Start, side_for: SideFor) -> None:
    servers = [await upstream() for _ in range(3)]
    side = side_for(*(server.address for server in servers))
    for _ in range(9):
        await side.caller.call(UpstreamRequest(action="x"), 5.0)
    assert [len(server.seen) for server in servers] == [3, 3, 3]
    assert [entry["calls"] for entry in side.report()] == [3, 3, 3]


async def test_every_call_is_measured_however_it_ends(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    server.hold("slow")
    metrics = Metrics()
    side = side_for(server.address, metrics=metrics)
    await side.caller.call(UpstreamRequest(action="x"), 5.0)
    with pytest.raises(UpstreamTimeout):
        await side.caller.call(UpstreamRequest(action="slow"), 0.1)
    took = render_stats(metrics, {"engine": ""}, [])["durations"]["upstream_call_hello"]
    assert took["count"] == 2
    assert took["sum"] >= 0.09, "a timer of 0.1 s, which counts in milliseconds"


async def test_no_instance(side_for: SideFor) -> None:
    with pytest.raises(NoInstance):
        await side_for().caller.call(UpstreamRequest(), 1.0)


async def test_refused_connection_fails(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    await server.stop()
    side = side_for(server.address)
    for _ in range(3):
        with pytest.raises(UpstreamFailed) as caught:
            await side.caller.call(UpstreamRequest(), 5.0)
        assert caught.value.code == 500
        assert caught.value.status == "UNAVAILABLE"
        assert server.address in caught.value.internal
        assert len(caught.value.internal) <= 256
    assert side.report()[0]["failures"] == 3


async def test_too_slow_is_a_timeout(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    server.hold("slow")
    side = side_for(server.address)
    started = time.monotonic()
    with pytest.raises(UpstreamTimeout) as caught:
        await side.caller.call(UpstreamRequest(action="slow"), 0.2)
    assert 0.15 < time.monotonic() - started < 5.0
    assert caught.value.code == 504
    assert side.report()[0]["timeouts"] == 1
    await until(lambda: server.cancelled == 1)


@pytest.mark.parametrize("remaining", [0.0, -1.0])
async def test_no_time_left_means_no_call(upstream: Start, side_for: SideFor, remaining: float) -> None:
    server = await upstream()
    side = side_for(server.address)
    with pytest.raises(UpstreamTimeout):
        await side.caller.call(UpstreamRequest(), remaining)
    assert server.seen == []
    assert side.report()[0]["calls"] == 0


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
async def test_grpc_errors_fail_once_and_are_not_retried(
    upstream: Start, side_for: SideFor, status: grpc.StatusCode
) -> None:
    server = await upstream()

    async def reject(_: UpstreamRequest) -> UpstreamResponse:
        raise Rejected(status, "line one\nline two " + "x" * 1000)

    server.on("bad", reject)
    with pytest.raises(UpstreamFailed) as caught:
        await side_for(server.address).caller.call(UpstreamRequest(action="bad"), 5.0)
    assert caught.value.status == status.name
    assert "line one line two" in caught.value.internal
    assert len(caught.value.internal) == 256
    assert len(server.seen) == 1


async def test_a_status_of_deadline_exceeded_before_the_deadline_is_a_failure(
    upstream: Start, side_for: SideFor
) -> None:
    """Only a passed deadline is a 504 (protocol §3); this is a service whose own work was too slow."""
    server = await upstream()

    async def reject(_: UpstreamRequest) -> UpstreamResponse:
        raise Rejected(grpc.StatusCode.DEADLINE_EXCEEDED, "the database did not answer")

    server.on("bad", reject)
    side = side_for(server.address)
    with pytest.raises(UpstreamFailed) as caught:
        await side.caller.call(UpstreamRequest(action="bad"), 5.0)
    assert (caught.value.code, caught.value.status) == (500, "DEADLINE_EXCEEDED")
    assert "the database did not answer" in caught.value.internal
    assert "before the deadline" in caught.value.cause
    instance = side.report()[0]
    assert (instance["failures"], instance["failures_by_status"], instance["timeouts"]) == (
        1,
        {"DEADLINE_EXCEEDED": 1},
        0,
    )


async def test_a_service_that_ends_at_the_deadline_it_was_told_is_a_timeout(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    side = side_for(server.address)

    async def give_up(_: UpstreamRequest) -> UpstreamResponse:
        remaining = server.seen[-1].remaining
        assert remaining is not None
        await asyncio.sleep(remaining)
        raise Rejected(grpc.StatusCode.DEADLINE_EXCEEDED)

    server.on("slow", give_up)
    with pytest.raises(UpstreamTimeout):
        await side.caller.call(UpstreamRequest(action="slow"), 0.3)


async def test_cancelling_the_task_cancels_the_call(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    server.hold("slow")
    metrics = Metrics()
    side = side_for(server.address, metrics=metrics)
    task = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 30.0))
    await server.wait_requests(1)
    assert side.report()[0]["in_flight"] == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: server.cancelled == 1)
    assert side.report()[0]["in_flight"] == 0
    assert under_way(metrics) == {}
    response = await side.caller.call(UpstreamRequest(action="x", data=b"y"), 5.0)
    assert response.data == b"y"


async def test_closing_fails_what_is_under_way_instead_of_cancelling_its_task(
    upstream: Start, side_for: SideFor
) -> None:
    server = await upstream()
    server.hold("slow")
    side = side_for(server.address)

    async def worker() -> str:
        with pytest.raises(UpstreamFailed) as caught:
            await side.caller.call(UpstreamRequest(action="slow"), 30.0)
        return caught.value.status

    task = asyncio.create_task(worker())
    await server.wait_requests(1)
    await side.close()
    assert await task == "CANCELLED"
    with pytest.raises(UpstreamFailed, match="stopping"):
        await side.caller.call(UpstreamRequest(), 1.0)
    await side.close()


async def test_cancelled_while_closing_stays_cancelled(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    server.hold("slow")
    side = side_for(server.address)
    task = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 30.0))
    await server.wait_requests(1)
    task.cancel()
    await side.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_answer_that_fits_into_a_frame_passes_and_every_larger_one_fails(
    upstream: Start, side_for: SideFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether gRPC refuses it or only the frame is too small for it: counted and told in one place."""
    server = await upstream()

    async def fill(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, data=bytes(int(request.params["size"])), headers=request.headers)

    server.on("fill", fill)
    side = side_for(server.address)

    async def call(size: int, **headers: str) -> UpstreamResponse:
        request = UpstreamRequest(action="fill", params={"size": str(size)}, headers=headers)
        return await side.caller.call(request, 5.0)

    half = 1 << 19
    most = (1 << 20) - (len(encode_body(PushType.BUSINESS_DATA, 200, "ok", bytes(half), {})) - half + HEAD_MAX)
    assert len((await call(most)).data) == most
    sizes = [most + 1, 1 << 20, (1 << 20) + 1000, 2 << 20]
    for size in sizes:
        with pytest.raises(AnswerTooLarge) as caught:
            await call(size)
        assert caught.value.size > 1 << 20
        assert caught.value.detail == f"the answer of {caught.value.size} bytes is larger than a frame may be"
    with pytest.raises(AnswerTooLarge):
        await call(most, flag="")
    assert side.report()[0]["failures_by_status"] == {"ANSWER_TOO_LARGE": len(sizes) + 1}
    assert [
        record.__dict__["status"] for record in caplog.records if record.getMessage() == "upstream call failed"
    ] == ["ANSWER_TOO_LARGE"]
    assert (await call(most)).code == 200


async def test_large_requests_pass_side_by_side(upstream: Start, side_for: SideFor) -> None:
    """Each is larger than any window of the way to the service."""
    server = await upstream()

    async def length(request: UpstreamRequest) -> UpstreamResponse:
        return answer(request, int(request.data.count(b"x")))

    server.on("length", length)
    side = side_for(server.address)
    sizes = [3_000_000 + number for number in range(5)]
    requests = [UpstreamRequest(action="length", data=b"x" * size) for size in sizes]
    answers = await asyncio.gather(*(side.caller.call(request, 10.0) for request in requests))
    assert [answer.code for answer in answers] == sizes


async def test_unreadable_answer_fails(side_for: SideFor, caplog: pytest.LogCaptureFixture) -> None:
    server, address = await serve_raw(b"\xff\xff\xff")
    with pytest.raises(UpstreamFailed, match="not an UpstreamResponse"):
        await side_for(address).caller.call(UpstreamRequest(), 5.0)
    assert [record.getMessage() for record in caplog.records if record.name != "quicgw.upstream"] == []
    await server.stop(None)


async def test_empty_answer_is_an_answer(side_for: SideFor) -> None:
    server, address = await serve_raw(b"")
    assert await side_for(address).caller.call(UpstreamRequest(), 5.0) == UpstreamResponse()
    await server.stop(None)


def test_call_under_uvloop(open_channel: OpenChannel) -> None:
    async def scene() -> None:
        async with RawUpstream() as server:
            side = side_of(UpstreamConfig(hello=(server.address,)), open_channel=open_channel)
            assert (await side.caller.call(UpstreamRequest(action="x", data=b"y"), 5.0)).data == b"y"
            await server.stop()
            with pytest.raises(UpstreamFailed):
                await side.caller.call(UpstreamRequest(), 5.0)
            await side.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())
