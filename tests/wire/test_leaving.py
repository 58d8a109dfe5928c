"""Protocol §6: how a gateway that is to stop is left, as a real process: not ready, then a pause, then a farewell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import quicgw_fast.client as sdk
from quicgw_fast.client import Reconnect, State
from quicgw_fast.codes import CloseCode
from quicgw_fast.transport import told_address, told_delay
from tests.client.conftest import States
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.pages import readiness
from tests.support.parts import WHICHEVER_ENGINE
from tests.support.raw_upstream import RawUpstream
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts

pytestmark = WHICHEVER_ENGINE

LEAVING = '[drain]\ndelay = "1s"\n'


async def health(address: str) -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10.0)
    return answer.status


async def test_a_gateway_that_is_to_stop_is_not_ready_first_and_works(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address, LEAVING)
        async with (
            GatewayProcess.serve(config, parts=parts) as gateway,
            await raw_client.connect(*gateway.ready.quic) as client,
        ):
            await client.start("alice")
            await client.hello()
            assert (await readiness(gateway.ready.admin))[0] == 200
            asked = time.monotonic()
            gateway.terminate()
            await wire.until(lambda: "gateway not ready" in gateway.errors, what="the first step")
            assert await readiness(gateway.ready.admin) == (503, "the gateway stops")
            assert await health(gateway.ready.grpc) == health_pb2.HealthCheckResponse.NOT_SERVING
            async with await raw_client.connect(*gateway.ready.quic) as newcomer:
                assert (await newcomer.start("bob")).success
                assert wire.business(await newcomer.hello()).code == 200
                assert wire.business(await client.call("echo", data=b"still")).data == b"still"
                assert "gateway draining" not in gateway.errors, "the machine was too slow for this test"
                await assert_closed(newcomer, CloseCode.DRAINING)
            await assert_closed(client, CloseCode.DRAINING)
            assert time.monotonic() - asked >= 1.0
            assert await gateway.wait() == 0


async def test_clients_are_told_when_and_where_to_go(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    tables = '[processor]\ndrain_timeout = "20s"\n[drain]\nspread = "8s"\nreconnect_to = "127.0.0.1:4433"\n'
    async with RawUpstream() as upstream:
        config = write_config(tmp_path, certificate, upstream.address, tables)
        async with GatewayProcess.serve(config, parts=parts) as gateway:
            clients = [await raw_client.connect(*gateway.ready.quic) for _ in range(8)]
            for number, client in enumerate(clients):
                await client.start(f"user-{number}")
                await client.hello()
            gateway.terminate()
            phrases = [await assert_closed(client, CloseCode.DRAINING) for client in clients]
            assert await gateway.wait() == 0
            for client in clients:
                await client.close()
    assert {told_address(phrase) for phrase in phrases} == {"127.0.0.1:4433"}
    times = sorted(told_delay(phrase) or 0.0 for phrase in phrases)
    assert 0.0 <= times[0] < 3.0, phrases
    assert 5.0 < times[-1] <= 8.0, phrases


async def test_the_sdk_goes_where_it_is_sent_when_it_is_told(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    states = States()
    (tmp_path / "next").mkdir()
    async with RawUpstream() as upstream:
        following = write_config(tmp_path / "next", certificate, upstream.address)
        async with GatewayProcess.serve(following, parts=parts) as next_one:
            to = "{}:{}".format(*next_one.ready.quic)
            tables = f'[drain]\nspread = "1s"\nreconnect_to = "{to}"\n'
            config = write_config(tmp_path, certificate, upstream.address, tables)
            async with GatewayProcess.serve(config, parts=parts) as gateway:
                address = "{}:{}".format(*gateway.ready.quic)
                client = sdk.connect(
                    address, openid="alice", insecure=True, on_state=states, reconnect=Reconnect(base=0.01, cap=0.02)
                )
                async with client:
                    gateway.terminate()
                    lost = await states.reach(State.RECONNECTING)
                    assert isinstance(lost.error, sdk.ConnectionClosed)
                    told = told_delay(lost.error.reason)
                    assert told is not None
                    assert told <= (lost.delay or 0.0) <= told + 0.02
                    assert (await client.call("echo", data=b"there")).data == b"there"
                    assert await gateway.wait() == 0
                    assert states.names[-2:] == ["reset", "connected"]


@pytest.mark.parametrize("follow", [True, False])
async def test_a_newcomer_is_sent_on_as_well(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path], follow: bool
) -> None:
    (tmp_path / "next").mkdir()
    async with RawUpstream() as upstream:
        gate = upstream.hold("echo")
        following = write_config(tmp_path / "next", certificate, upstream.address)
        async with GatewayProcess.serve(following, parts=parts) as next_one:
            tables = '[drain]\nreconnect_to = "{}:{}"\n'.format(*next_one.ready.quic)
            config = write_config(tmp_path, certificate, upstream.address, tables)
            async with (
                GatewayProcess.serve(config, parts=parts) as gateway,
                await raw_client.connect(*gateway.ready.quic) as busy,
            ):
                await busy.start("busy")
                await busy.hello()
                message = busy.business("echo")
                await upstream.wait_requests(1, "echo")
                gateway.terminate()
                await wire.until(lambda: "gateway draining" in gateway.errors, what="the drain")
                address = "{}:{}".format(*gateway.ready.quic)
                newcomer = sdk.connect(address, openid="new", insecure=True, reconnect=Reconnect(follow=follow))
                if follow:
                    async with newcomer:
                        assert newcomer.hello is not None
                else:
                    with pytest.raises((sdk.ConnectionFailed, sdk.ConnectionClosed), match="shutting down"):
                        await newcomer
                gate.open()
                await busy.reply(message)
                assert await gateway.wait() == 0
