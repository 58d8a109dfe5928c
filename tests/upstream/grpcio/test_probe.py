from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.config import UpstreamConfig
from quicgw_fast.upstream import causes
from quicgw_fast.upstream.grpcio.probe import ServiceSeen, ask_status
from quicgw_fast.upstream.tls import read_upstream_tls
from tests.support.authority import Authority
from tests.support.raw_upstream import RawUpstream

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_service_says_how_it_is() -> None:
    async with RawUpstream() as service:
        seen = await ask_status(service.address, "hello", None, 5)
    assert seen.reached
    assert seen.said


async def test_nobody_there_and_nobody_who_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert await ask_status(address, "hello", None, 0.3) == ServiceSeen(False, causes.NO_ANSWER)
    assert await ask_status(address, "hello", None, 5) == ServiceSeen(False, causes.NOTHING_LISTENS)


async def test_a_grpc_server_that_is_no_service_of_ours() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert await ask_status(f"127.0.0.1:{port}", "hello", None, 5) == ServiceSeen(True, causes.NO_SERVICE)
    finally:
        await server.stop(None)


async def test_over_tls_only_who_is_trusted_is_reached(tmp_path: Path) -> None:
    ours, others = Authority("ours"), Authority("others")
    service = RawUpstream()
    await service.start("127.0.0.1:0", ours.service())
    try:
        trusting = read_upstream_tls(UpstreamConfig(ca=ours.write(tmp_path)))
        assert (await ask_status(service.address, "hello", trusting, 5)).reached
        wary = read_upstream_tls(UpstreamConfig(ca=others.write(tmp_path)))
        assert await ask_status(service.address, "hello", wary, 5) == ServiceSeen(False, causes.NOT_TRUSTED)
    finally:
        await service.stop()
