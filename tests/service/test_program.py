"""``Service.run``: a real process beside a real gateway process, and either of them killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.client import connect
from tests.service.conftest import PATIENCE
from tests.support.gateway_process import SOURCE, GatewayProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROGRAM = Path(__file__).parent / "program.py"
GATEWAY = """
[server]
quic = "127.0.0.1:0"
grpc = "{grpc}"
admin = "127.0.0.1:0"
[tls]
cert = "{cert}"
key = "{key}"
[routing]
default = "hello"
replace_defaults = true
"""


class Program:
    """The service, its lines read one by one, and what it told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdout is not None
        assert process.stderr is not None
        self._lines, self._errors = process.stdout, process.stderr

    async def line(self) -> str:
        return (await asyncio.wait_for(self._lines.readline(), PATIENCE)).decode().strip()

    async def ends(self) -> tuple[int, list[dict[str, str]]]:
        """Its exit status, and the log."""
        log = (await asyncio.wait_for(self._errors.read(), PATIENCE)).decode().splitlines()
        status = await asyncio.wait_for(self.process.wait(), PATIENCE)
        return status, [json.loads(line) for line in log if line.startswith("{")]


@contextlib.asynccontextmanager
async def program(gateway: str, listen: str = "127.0.0.1:0", **environment: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), gateway, listen,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "GRPC_VERBOSITY": "NONE", **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def written(folder: Path, certificate: tuple[Path, Path], grpc: str = "127.0.0.1:0") -> Path:
    path = folder / "gateway.toml"
    path.write_text(GATEWAY.format(grpc=grpc, cert=certificate[0], key=certificate[1]))
    return path


def quic(gateway: GatewayProcess) -> str:
    return f"{gateway.ready.quic[0]}:{gateway.ready.quic[1]}"


async def echoes(gateway: GatewayProcess) -> None:
    async with connect(quic(gateway), openid="alice", insecure=True, connect_timeout=PATIENCE) as client:
        assert (await client.call("echo", data=b"word")).data == b"word"
        assert (await client.next_notify(PATIENCE)).content == "alice"


async def test_gateway_and_service_may_be_killed(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async with GatewayProcess.serve(written(tmp_path, certificate)) as first:
        grpc = first.ready.grpc
        async with program(grpc) as service:
            ready, address = (await service.line()).split()
            assert ready == "ready"
            await echoes(first)
            await first.kill()
            async with GatewayProcess.serve(written(tmp_path, certificate, grpc)) as second:
                await echoes(second)
                service.process.kill()
                await service.process.wait()
                async with program(grpc, address) as again:
                    assert await again.line() == f"ready {address}"
                    await echoes(second)


async def test_the_first_signal_lets_it_finish(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async with GatewayProcess.serve(written(tmp_path, certificate)) as gateway, program(gateway.ready.grpc) as service:
        await service.line()
        async with connect(quic(gateway), openid="alice", insecure=True) as client:
            call = asyncio.create_task(client.call("sleep", params={"seconds": "1"}))
            assert await service.line() == "sleeping"
            service.process.send_signal(signal.SIGTERM)
            assert (await call).data == b"slept"
        status, log = await service.ends()
    assert status == 0
    assert [each["event"] for each in log] == ["registered", "left the gateway"]
    assert log[0] | {"gateway": gateway.ready.grpc, "roles": "hello", "level": "info"} == log[0]


async def test_a_thread_that_does_not_end_holds_up_no_end(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async with (
        GatewayProcess.serve(written(tmp_path, certificate)) as gateway,
        program(gateway.ready.grpc, GRACE="0.3") as service,
    ):
        await service.line()
        async with connect(quic(gateway), openid="alice", insecure=True) as client:
            call = asyncio.create_task(client.call("sleep", params={"seconds": "100"}))
            assert await service.line() == "sleeping"
            service.process.send_signal(signal.SIGINT)
            status, log = await service.ends()
            call.cancel()
    assert status == 0
    assert [each["event"] for each in log] == ["registered", "left the gateway", "requests broken off"]


async def test_a_second_signal_is_the_end(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    async with GatewayProcess.serve(written(tmp_path, certificate)) as gateway, program(gateway.ready.grpc) as service:
        await service.line()
        async with connect(quic(gateway), openid="alice", insecure=True) as client:
            call = asyncio.create_task(client.call("sleep", params={"seconds": "100"}))
            assert await service.line() == "sleeping"
            while service.process.returncode is None:
                service.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.2)
            call.cancel()
        assert (await service.ends())[0] == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("gateway", "listen", "told"),
    [
        ("127.0.0.1:1", "127.0.0.1", "the service cannot start: the address to listen on '127.0.0.1' has no port"),
        ("127.0.0.1:1", "nowhere.invalid:1", "the service cannot start: cannot listen on nowhere.invalid:1: "),
    ],
)
async def test_what_cannot_start_says_why(gateway: str, listen: str, told: str) -> None:
    async with program(gateway, listen) as service:
        errors = (await service.process.communicate())[1].decode()
    assert errors.startswith(told)
    assert errors.count("\n") == 1, "a sentence, and no traceback"
    assert service.process.returncode == 3
