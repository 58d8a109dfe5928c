from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import join_address
from quicgw_fast.errors import ConfigError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.upstream import GatewayCallFailed
from quicgw_fast.upstream.grpcio import causes
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient
from tests.control.doors import start_control
from tests.control.recording import RecordingPusher
from tests.demo.fake_gateway import FakeGateway
from tests.support import strangers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


@pytest.mark.parametrize(
    ("stranger", "cause"),
    [
        (strangers.nothing, causes.NOTHING_LISTENS),
        (strangers.foreigner, causes.NO_GRPC),
        (strangers.silent, causes.NO_GRPC),
        (strangers.black_hole, causes.NO_ANSWER),
    ],
    ids=["nothing", "http", "silent", "black hole"],
)
async def test_a_gateway_that_cannot_be_reached_is_named_with_the_cause(
    stranger: Callable[[], AbstractContextManager[str]], cause: str
) -> None:
    with stranger() as address:
        client = GatewayClient(address, connect_timeout=20.0, patient=False)
        started = time.monotonic()
        with pytest.raises(GatewayCallFailed) as caught:
            await client.push(pb.UnicastPushRequest(), timeout=30.0)
        assert time.monotonic() - started < 10.0
        assert str(caught.value) == f"no connection to the gateway at {address}: {cause}"
        await client.close()


async def test_who_is_not_patient_hears_of_a_refused_connection_at_once() -> None:
    with strangers.nothing() as address:
        client = GatewayClient(address, connect_timeout=60.0, patient=False)
        async with asyncio.timeout(5.0):
            with pytest.raises(GatewayCallFailed, match=causes.NOTHING_LISTENS):
                await client.broadcast(pb.BroadcastRequest())
        await client.close()


async def test_connecting_ends_with_its_own_time_and_with_the_call_s() -> None:
    with strangers.nothing() as address:
        for connecting, whole in ((60.0, 0.3), (0.3, 60.0)):
            client = GatewayClient(address, connect_timeout=connecting)
            async with asyncio.timeout(10.0):
                with pytest.raises(GatewayCallFailed, match=causes.NOTHING_LISTENS):
                    await client.push(pb.UnicastPushRequest(), timeout=whole)
            await client.close()


async def test_a_gateway_that_comes_within_the_time_is_waited_for() -> None:
    gateway = FakeGateway()
    address = await gateway.start()
    await gateway.stop()
    client = GatewayClient(address, connect_timeout=20.0)
    waiting = asyncio.create_task(client.broadcast(pb.BroadcastRequest(), timeout=20.0))
    with pytest.raises(GatewayCallFailed):
        await client.connect(0.1)
    assert not waiting.done()
    await gateway.start(int(address.rpartition(":")[2]))
    assert (await waiting).sent_count == 42
    await client.close()
    await gateway.stop()


async def test_a_gateway_that_does_not_answer_is_told_from_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(FakeGateway, "PushToClient", hang)
    gateway = FakeGateway()
    await gateway.start()
    client = GatewayClient(gateway.address)
    with pytest.raises(GatewayCallFailed, match=r"it is connected, but did not answer within 0\.2 s"):
        await client.push(pb.UnicastPushRequest(), timeout=0.2)
    await client.close()
    await gateway.stop()


async def test_deregister_sends_the_same_request_with_the_mark() -> None:

    pusher = RecordingPusher()
    control = await start_control(pusher)
    client = GatewayClient(join_address(*control.address))
    request = pb.UpstreamRegisterRequest(address="127.0.0.1:9001", zone_id="001")
    await client.register(request)
    await client.deregister(request)
    assert not request.deregister
    marked = pb.UpstreamRegisterRequest(address="127.0.0.1:9001", zone_id="001", deregister=True)
    assert pusher.seen == [request, marked]
    await client.close()
    await control.stop()


async def test_unusable_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="'nowhere' is not a valid address"):
        GatewayClient("nowhere")
