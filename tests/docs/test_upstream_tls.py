"""docs/howto/upstream-tls.md does what it says."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.upstream import causes
from tests.support.gateway_process import SOURCE, GatewayProcess
from tests.support.howto import DOCS, Howto, shell
from tests.support.world import write_certificate

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("client", ["grpcio", "native"])
async def test_the_page(client: str, tmp_path: Path) -> None:
    port = free_port()
    page = Howto("howto/upstream-tls.md", {"localhost:9001": f"localhost:{port}"})
    certificates, serve, call = page.commands()
    page.write(tmp_path)
    write_certificate(tmp_path)
    await shell(certificates, tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    service = await asyncio.create_subprocess_exec(sys.executable, "service.py", cwd=tmp_path, env=environment)
    free = "127.0.0.1:0"
    places = {f"QUICGW_SERVER__{name}": free for name in ("QUIC", "GRPC", "ADMIN")}
    _, *arguments = shlex.split(serve.replace("gateway.toml", str(tmp_path / "gateway.toml")))
    gateway = GatewayProcess(*arguments, environment={**places, "QUICGW_UPSTREAM__CLIENT": client})
    try:
        async with gateway:
            host, quic = gateway.ready.quic
            assert "hello" in await shell(f"{call.strip()} --server {host}:{quic} --timeout 20", tmp_path)
    finally:
        service.kill()
        await service.wait()


def test_the_reasons_are_those_that_are_told() -> None:
    told = (DOCS / "howto/upstream-tls.md").read_text(encoding="utf-8")
    of_tls = ("NO_TLS", "NOT_TRUSTED", "OTHER_NAME", "EXPIRED", "NOT_YET_VALID", "REFUSED_TLS", "NO_GRPC", "BROKE_OFF")
    for name in of_tls:
        assert f"`{getattr(causes, name)}`" in told
