from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from quicgw_fast.config import join_address
from quicgw_fast.control.grpc_server import GATEWAY_SERVICE
from quicgw_fast.control.peers import caller_host
from quicgw_fast.errors import StartupError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from tests.control.doors import start_control
from tests.control.recording import RecordingPusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.control import ControlServer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def pusher() -> RecordingPusher:
    return RecordingPusher()


@pytest_asyncio.fixture
async def server(pusher: RecordingPusher) -> AsyncIterator[ControlServer]:
    control = await start_control(pusher)
    yield control
    await control.stop()


@pytest_asyncio.fixture
async def channel(server: ControlServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(join_address(*server.address)) as channel:
        yield channel


@pytest.mark.parametrize(
    ("peer", "host"),
    [("ipv4:127.0.0.1:5000", "127.0.0.1"), ("ipv6:%5B::1%5D:5000", "[::1]"), ("ipv6:[2001:db8::1]:1", "[2001:db8::1]")],
)
def test_the_host_of_a_grpc_peer(peer: str, host: str) -> None:
    assert caller_host(peer) == host


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (":9001", "127.0.0.1:9001"),
        ("9001", "9001"),
        ("", ""),
    ],
)
async def test_an_address_without_host_is_at_the_host_that_calls(
    pusher: RecordingPusher, channel: grpc.aio.Channel, written: str, meant: str
) -> None:
    request = pb.UpstreamRegisterRequest(address=written, zone_id="001")
    assert (await GatewayServiceStub(channel).RegisterUpstream(request, timeout=5)).success
    assert pusher.seen == [pb.UpstreamRegisterRequest(address=meant, zone_id="001")]


async def test_every_method_reaches_the_pusher_and_its_answer_the_caller(
    pusher: RecordingPusher, channel: grpc.aio.Channel
) -> None:
    stub = GatewayServiceStub(channel)
    push = pb.UnicastPushRequest(
        target_type="openid",
        target_id="o",
        data=b"\x00" * (1 << 20) + b"a little more",
        sync_hint=pb.NSH_AFTER_RESPONSE,
        bind_client_seq_id=2**64 - 1,
    )
    broadcast = pb.BroadcastRequest(title="t", metadata={"k": "v"})
    register = pb.UpstreamRegisterRequest(address="127.0.0.1:9001", zone_id="001")
    assert (await stub.PushToClient(push, timeout=5)).error_code == "TARGET_NOT_FOUND"
    assert (await stub.BroadcastToClients(broadcast, timeout=5)).sent_count == 7
    assert (await stub.RegisterUpstream(register, timeout=5)).message == "welcome"
    assert pusher.seen == [push, broadcast, register]


async def test_unexpected_error_is_logged_inside_and_plain_outside(
    pusher: RecordingPusher, channel: grpc.aio.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    pusher.error = ValueError("a secret")
    stub = GatewayServiceStub(channel)
    calls = (
        lambda: stub.PushToClient(pb.UnicastPushRequest(), timeout=5),
        lambda: stub.BroadcastToClients(pb.BroadcastRequest(), timeout=5),
        lambda: stub.RegisterUpstream(pb.UpstreamRegisterRequest(), timeout=5),
    )
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call()
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details() == "internal error of the gateway"
    assert [record.getMessage() for record in caplog.records if record.name == "quicgw.control"] == ["call failed"] * 3
    methods = [vars(record)["method"] for record in caplog.records if record.name == "quicgw.control"]
    assert methods == ["PushToClient", "BroadcastToClients", "RegisterUpstream"]
    assert "a secret" in caplog.text
    pusher.error = None
    assert (await stub.BroadcastToClients(pb.BroadcastRequest(), timeout=5)).sent_count == 7


@pytest.mark.parametrize("service", ["", GATEWAY_SERVICE])
async def test_health_follows_serving(server: ControlServer, channel: grpc.aio.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert (await stub.Check(request, timeout=5)).status == SERVING
    await server.set_serving(False)
    assert (await stub.Check(request, timeout=5)).status == NOT_SERVING
    await server.set_serving(True)
    assert (await stub.Check(request, timeout=5)).status == SERVING


async def test_health_of_an_unknown_service(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="x"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_watch_sees_the_change(server: ControlServer, channel: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service=GATEWAY_SERVICE), timeout=10
    )
    assert (await watch.read()).status == SERVING
    await server.set_serving(False)
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()


async def test_reflection_lists_the_services_and_knows_the_methods(channel: grpc.aio.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=GATEWAY_SERVICE),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="grpc.health.v1.Health"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="grpc.reflection.v1alpha.ServerReflection"),
    ]
    listed, described, *others = [answer async for answer in stub.ServerReflectionInfo(iter(requests), timeout=5)]
    names = {service.name for service in listed.list_services_response.service}
    assert names == {
        GATEWAY_SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    files = described.file_descriptor_response.file_descriptor_proto
    assert any(b"RegisterUpstream" in file for file in files)
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in others)


async def test_busy_port_is_a_startup_error(server: ControlServer, pusher: RecordingPusher) -> None:
    with pytest.raises(StartupError, match=r"for gRPC: Address already in use; .*server\.grpc"):
        await start_control(pusher, port=server.address[1])


async def test_port_taken_between_check_and_start_is_a_startup_error(
    server: ControlServer, pusher: RecordingPusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quicgw_fast.control.grpc_server.free_address", lambda host, port, *_: join_address(host, port))
    with pytest.raises(StartupError, match="just now"):
        await start_control(pusher, port=server.address[1])


async def test_stop_frees_the_port_at_once(pusher: RecordingPusher) -> None:
    first = await start_control(pusher)
    await first.stop()
    await first.stop()
    second = await start_control(pusher, port=first.address[1])
    assert second.address == first.address
    await second.stop()


async def test_stop_lets_a_push_under_way_finish(pusher: RecordingPusher) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    class SlowPusher(RecordingPusher):
        async def broadcast(self, request: pb.BroadcastRequest) -> pb.BroadcastResponse:
            entered.set()
            await leave.wait()
            return pb.BroadcastResponse(sent_count=1)

    server = await start_control(SlowPusher())
    async with grpc.aio.insecure_channel(join_address(*server.address)) as channel:

        async def send() -> pb.BroadcastResponse:
            return await GatewayServiceStub(channel).BroadcastToClients(pb.BroadcastRequest(), timeout=10)

        sending = asyncio.create_task(send())
        await entered.wait()
        stopping = asyncio.create_task(server.stop(grace=10.0))
        leave.set()
        assert (await sending).sent_count == 1
        await stopping


async def test_stop_does_not_wait_for_health_watchers(pusher: RecordingPusher) -> None:
    server = await start_control(pusher)
    async with grpc.aio.insecure_channel(join_address(*server.address)) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert (await watch.read()).status == SERVING
        async with asyncio.timeout(5.0):
            await server.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            while await watch.read() is not grpc.aio.EOF:
                pass


async def test_calls_over_the_limit_are_turned_away(pusher: RecordingPusher) -> None:
    server = await start_control(pusher, max_concurrent_calls=1)
    async with grpc.aio.insecure_channel(join_address(*server.address)) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert (await watch.read()).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await GatewayServiceStub(channel).BroadcastToClients(pb.BroadcastRequest(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        watch.cancel()
    await server.stop()


async def test_nothing_is_left_behind(pusher: RecordingPusher) -> None:
    before = asyncio.all_tasks()
    server = await start_control(pusher)
    host, port = server.address
    await server.stop()
    async with asyncio.timeout(5.0):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.01)
    with socket.socket() as sock:
        assert sock.connect_ex((host, port)) != 0
