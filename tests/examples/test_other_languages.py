"""The services in Go and TypeScript do what services do, with a real gateway, which is killed, and a real client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import urllib.request
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import quicgw_fast
from quicgw_fast.proto import service_pb2 as pb
from tests.support import toolchains
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_upstream import RawPusher
from tests.support.world import write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

EXAMPLES = toolchains.ROOT / "examples"
PATIENCE = 30.0


def gateway_process(
    folder: Path, certificate: tuple[Path, Path], grpc_address: str = "127.0.0.1:0", **more: str
) -> GatewayProcess:
    free = dict.fromkeys(("QUICGW_SERVER__QUIC", "QUICGW_SERVER__ADMIN"), "127.0.0.1:0")
    tls = {"QUICGW_TLS__CERT": str(certificate[0]), "QUICGW_TLS__KEY": str(certificate[1])}
    environment = {**free, **tls, "QUICGW_SERVER__GRPC": grpc_address, **more}
    return GatewayProcess("serve", "--config", str(EXAMPLES / "gateway.toml"), environment=environment)


@contextlib.asynccontextmanager
async def started(command: list[str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The service, and the address that its ``ready`` line names."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().split()
        assert line[0] == "ready"
        yield process, line[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def instances(gateway: GatewayProcess) -> list[dict[str, Any]]:
    def fetch() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://{gateway.ready.admin}/stats", timeout=PATIENCE) as page:
            return list(json.load(page)["upstream"]["instances"])

    return await asyncio.to_thread(fetch)


async def answers(gateway: GatewayProcess) -> None:
    """Log in, call, and look at the order of what comes."""
    address = f"{gateway.ready.quic[0]}:{gateway.ready.quic[1]}"
    async with (
        quicgw_fast.connect(address, openid="alice", insecure=True, connect_timeout=PATIENCE) as client,
        RawPusher(gateway.ready.grpc) as pusher,
    ):
        hello, welcome = client.hello, await client.next_notify(PATIENCE)
        assert hello is not None
        assert (hello.headers["zone"], hello.headers["gid"]) == ("1", "g-alice")
        assert (welcome.type, welcome.content, welcome.seq_id) == ("welcome", "hello alice", hello.seq_id + 1)
        assert (await client.call("Echo", data=b"\xffword")).data == b"\xffword"
        reply = await client.call("news")
        before, after = [await client.next_notify(PATIENCE) for _ in range(2)]
        assert [before.seq_id, reply.seq_id, after.seq_id] == [reply.seq_id + n for n in (-1, 0, 1)]
        assert (before.type, after.type) == ("news", "more")
        assert (await client.call("nothing")).code == 404
        pushed = await pusher.stub.PushToClient(
            pb.UnicastPushRequest(target_type="gid", target_id="g-alice", msg_type="mail")
        )
        assert pushed.message == "sent"


async def service_lives(make: list[str], folder: Path) -> None:
    certificate = write_certificate(folder)
    async with gateway_process(folder, certificate) as first:
        at = first.ready.grpc
        async with started([*make, at] if make[0] == "node" else [*make, "-gateway", at]) as (service, address):
            await answers(first)
            # One that the service does not know: its notifies go there, as that is where the call came from.
            async with gateway_process(folder, certificate, QUICGW_UPSTREAM__HELLO=f'["{address}"]') as other:
                await answers(other)
            (told,) = await instances(first)
            assert (told["address"], told["services"]) == (address, ["hello"])
            assert 14 < told["lease"] <= 20
            async with grpc.aio.insecure_channel(address) as channel:
                health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
                assert health.status == health_pb2.HealthCheckResponse.SERVING
            await first.kill()
            async with gateway_process(folder, certificate, at) as second:
                async with asyncio.timeout(PATIENCE):
                    while not any(each["healthy"] for each in await instances(second)):
                        await asyncio.sleep(0.1)
                await answers(second)
                service.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(service.wait(), PATIENCE) == 0
                assert await instances(second) == []


@pytest.mark.timeout(900)
async def test_a_service_in_go(tmp_path: Path) -> None:
    await service_lives(toolchains.go_service(tmp_path), tmp_path)


@pytest.mark.timeout(900)
async def test_a_service_in_typescript(tmp_path: Path) -> None:
    await service_lives(toolchains.typescript_service(tmp_path), tmp_path)


@pytest.mark.timeout(900)
def test_the_generated_go_is_current(tmp_path: Path) -> None:
    """``make proto`` writes it; here it is written once more, into another folder."""
    toolchains.only_if_asked("go")
    toolchains.fetched(["go", "version"], tmp_path, toolchains.GO)
    make = ["make", "--no-print-directory", "proto-go", f"GO_OUT={tmp_path}"]
    toolchains.fetched(make, toolchains.ROOT, {})
    generated = EXAMPLES / "go-service" / "gatesvr"
    for path in generated.iterdir():
        # The number of the compiler's version is in a remark.
        fresh, kept = ((folder / path.name).read_text(encoding="utf-8") for folder in (tmp_path, generated))
        version = re.compile(r"protoc +v[\d.]+")
        assert version.sub("", fresh) == version.sub("", kept), f"{path.name}: make proto"


def test_the_lock_of_npm_names_no_addresses() -> None:
    """A registry is who installs it's own choice."""
    folder = EXAMPLES / "typescript-service"
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    assert not [name for name, each in packages.items() if "resolved" in each or "integrity" not in each]
    assert json.loads((folder / "tsconfig.json").read_text(encoding="utf-8"))["compilerOptions"]["strict"] is True
