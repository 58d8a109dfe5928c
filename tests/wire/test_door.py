"""The door of a running gateway: full, refused, and what the counters and the log say about it (protocol §6)."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode
from tests.support import raw_client
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.usual import dial
from tests.support.world import PLENTY, assert_closed, write_certificate
from tests.transport.helpers import Recorders, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import World, WorldMaker


async def stats(world: World) -> Any:
    def get() -> Any:
        with urllib.request.urlopen(f"http://{world.gateway.addresses.admin}/stats", timeout=5) as page:
            return json.load(page)

    return await asyncio.to_thread(get)


async def test_a_full_gateway_answers_overloaded_counts_it_and_says_so_once(
    make_world: WorldMaker, caplog: pytest.LogCaptureFixture
) -> None:
    world = await make_world(limits={**PLENTY, "max_connections": 1})
    alice = await world.online("alice")
    for _ in range(3):
        late = await world.connect()
        phrase = await assert_closed(late, CloseCode.OVERLOADED)
        assert "retry-after-ms" in phrase
    numbers = await stats(world)
    assert numbers["counters"]["connections_refused"] == 3
    assert numbers["transport"]["refused"] == 3
    lines = [record for record in caplog.records if record.getMessage() == "connection refused"]
    assert len(lines) == 1
    assert lines[0].__dict__["reason"].startswith("OVERLOADED: ")
    await alice.call("echo", data=b"not my problem")


async def test_a_client_of_another_protocol_leaves_a_line_and_a_count(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await raw_client.connect(*world.address, alpn="h3")
    assert (await stats(world))["counters"]["handshakes_failed_alpn"] == 3
    lines = [record for record in caplog.records if record.getMessage() == "handshake failed"]
    assert [(line.__dict__["cause"], line.__dict__["peer"].partition(":")[0]) for line in lines] == [
        ("alpn", "127.0.0.1")
    ]


def modes(folder: Path, pattern: str) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in folder.glob(pattern)]


async def test_a_restart_with_a_renewed_tls_key_is_noticed_at_once(tmp_path: Path) -> None:
    """The secret of stateless resets outlives both the process and the TLS key (RFC 9000 §10.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = write_config(tmp_path, (tmp_path / "cert.pem", tmp_path / "key.pem"), "127.0.0.1:9", port=port)
    write_certificate(tmp_path)
    client = Recorders()
    async with GatewayProcess.serve(config) as gateway:
        connection = await dial("127.0.0.1", port, factory=client, insecure=True)
        connection.send(bytes((0, 0)))  # half a length: the gateway waits for more
        await until(lambda: not connection.pending)
        await gateway.kill()
    write_certificate(tmp_path)
    async with GatewayProcess.serve(config):
        begin = time.monotonic()
        connection.send(bytes(60))
        code, reason, by_peer = await client[0].end()
        assert time.monotonic() - begin < 15.0, "long before its idle time-out"
        assert (code, by_peer) == (CloseCode.INTERNAL, True)
        assert "no longer knows" in reason
        await connection.wait_closed()
    assert modes(tmp_path, "quicgw-reset-*.key") == [0o600]
