"""Protocol §6 and §7 on the real command: the ready line, configuration, SIGTERM, and a kill with a restart."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.pages import page
from tests.support.parts import WHICHEVER_ENGINE, Parts
from tests.support.raw_upstream import RawPusher, RawUpstream
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    async with RawUpstream() as service:
        yield service


@pytest.fixture
def config(tmp_path: Path, certificate: tuple[Path, Path], upstream: RawUpstream) -> Path:
    """A configuration file with nothing but names of the protocol."""
    tables = """
[routing]
mode = "service"
[processor]
max_workers = 0
max_queue_size = 10000
task_timeout = "30s"
[session]
timeout = "5m"
heartbeat_interval = "30s"
resume_window = "120s"
window_messages = 1024
window_bytes = "1MiB"
[auth]
mode = "none"
"""
    return write_config(tmp_path, certificate, upstream.address, tables)


async def not_ready(address: str) -> None:
    """Wait until the gateway says that it takes no more work."""
    async with asyncio.timeout(20):
        while True:
            status, _ = await page(address, "/readyz")
            if status == 503:
                return
            await asyncio.sleep(0.01)


@WHICHEVER_ENGINE
async def test_dev_serves_everything_on_free_ports(parts: Parts) -> None:
    async with GatewayProcess.dev(parts=parts) as gateway:
        assert gateway.ready.quic[1] not in (0, 8443)
        async with await raw_client.connect(*gateway.ready.quic) as client:
            assert (await client.start("alice")).success
            assert wire.business(await client.hello()).code == 200
            assert wire.business(await client.call("echo", data=b"hi")).code == 200
            async with RawPusher(gateway.ready.grpc) as pusher:
                assert (await pusher.push("alice", data=b"pushed")).success
            await client.wait_for(wire.is_notify)
            client.assert_gap_free()
        status, body = await page(gateway.ready.admin, "/stats")
        assert status == 200
        stats = json.loads(body)
        assert all(part in body for part in parts), "the page tells what runs"
        assert {"max_workers", "max_queue_size", "queue_length", "started"} <= set(stats["processor"])
        gateway.terminate()
        assert await gateway.wait() == 0


@WHICHEVER_ENGINE
async def test_serve_with_a_file_of_the_protocols_names(parts: Parts, config: Path) -> None:
    async with GatewayProcess.serve(config, parts=parts) as gateway:
        async with await raw_client.connect(*gateway.ready.quic) as client:
            assert (await client.start("alice")).success
            assert wire.business(await client.hello()).code == 200
        assert len([line for line in gateway.output if line.startswith("ready ")]) == 1


@WHICHEVER_ENGINE
async def test_sigterm_answers_what_was_accepted_closes_with_draining_and_exits_0(
    parts: Parts, config: Path, upstream: RawUpstream
) -> None:
    gate = upstream.hold("echo")
    async with GatewayProcess.serve(config, parts=parts) as gateway:
        client = await raw_client.connect(*gateway.ready.quic)
        await client.start("alice")
        await client.hello()
        messages = [client.business("echo") for _ in range(3)]
        await upstream.wait_requests(3, "echo")
        gateway.terminate()
        await not_ready(gateway.ready.admin)
        with pytest.raises(raw_client.HandshakeError):
            newcomer = await raw_client.connect(*gateway.ready.quic, within=1.0)
            async with newcomer:
                await newcomer.wait_closed(within=1.0)
                raise raw_client.HandshakeError(newcomer.closed)
        gate.open()
        for message in messages:
            assert wire.business(await client.reply(message)).code == 200
        await assert_closed(client, CloseCode.DRAINING)
        assert await gateway.wait() == 0
        await client.close()


@WHICHEVER_ENGINE
async def test_a_killed_gateway_comes_back_with_an_explicit_reset(parts: Parts, config: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    flags = ("--quic", f"127.0.0.1:{address[1]}")
    async with GatewayProcess.serve(config, *flags, parts=parts) as first:
        client = await raw_client.connect(*address)
        started = await client.start("alice")
        await client.hello()
        await client.call("echo")
        await first.kill()
        assert first.status == -signal.SIGKILL
    async with GatewayProcess.serve(config, *flags, parts=parts):
        again = await raw_client.connect(*address)
        answer = await again.start("alice", "", 2, started.connection_id, started.epoch)
        assert answer.success
        assert (answer.resumed, answer.reset_reason) == (False, pb.RESET_REASON_UNKNOWN_SESSION)
        assert answer.epoch != started.epoch
        assert (await again.hello()).seq_id == 3
        await again.close()
    await client.close()


@WHICHEVER_ENGINE
async def test_the_environment_wins_over_the_file(parts: Parts, config: Path) -> None:
    environment = {"QUICGW_SESSION__HEARTBEAT_INTERVAL": "9s"}
    arguments = ("serve", "--config", str(config))
    async with (
        GatewayProcess(*arguments, parts=parts, environment=environment) as gateway,
        await raw_client.connect(*gateway.ready.quic) as client,
    ):
        assert (await client.start("alice")).heartbeat_interval == 9


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[sesion]\ntimeout = '5m'\n", "sesion"),
        ("[session]\ntime_out = '5m'\n", "time_out"),
        ("[session]\ntimeout = 'soon'\n", "timeout"),
        ("[server\n", "TOML"),
        ("[tls]\ncert = '/nowhere/cert.pem'\nkey = '/nowhere/key.pem'\n", "/nowhere"),
    ],
)
async def test_a_configuration_that_cannot_be_used_exits_3_and_says_why(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    gateway = GatewayProcess.serve(path, parts=Parts("python"))
    assert await gateway.run() == 3
    assert what in gateway.errors
    assert "Traceback" not in gateway.errors


async def test_a_busy_port_exits_3_and_says_so(config: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        busy.bind(("127.0.0.1", 0))
        port = busy.getsockname()[1]
        gateway = GatewayProcess.serve(config, "--quic", f"127.0.0.1:{port}", parts=Parts("python"))
        assert await gateway.run() == 3
        assert str(port) in gateway.errors
        assert "Traceback" not in gateway.errors


async def test_an_unknown_engine_exits_3(config: Path) -> None:
    gateway = GatewayProcess.serve(config, parts=Parts("fortran"))
    assert await gateway.run() == 3
    assert "fortran" in gateway.errors
