"""Protocol §3: requests that nobody answers take a bounded part of the gateway's memory, as the system counts it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast.proto import client_pb2 as pb
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess
from tests.support.parts import WHICHEVER_ENGINE
from tests.support.raw_upstream import RawUpstream, answer
from tests.support.world import write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.parts import Parts

pytestmark = WHICHEVER_ENGINE

CLIENTS, REQUESTS, SIZE = 3, 14, 1_000_000
SENT = CLIENTS * REQUESTS * SIZE
LIMIT = 4 << 20


def resident(pid: int) -> int:
    """The bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def measure(request: UpstreamRequest) -> UpstreamResponse:
    """Answer how much came."""
    return answer(request, data=b"%d" % len(request.data))


@contextlib.asynccontextmanager
async def gateway_with(folder: Path, parts: Parts) -> AsyncIterator[tuple[GatewayProcess, RawUpstream]]:
    certificate, key = write_certificate(folder)
    free = "127.0.0.1:0"
    async with RawUpstream() as upstream:
        tables = {
            "server": {"quic": free, "grpc": free, "admin": free},
            "tls": {"cert": str(certificate), "key": str(key)},
            "upstream": {name: [upstream.address] for name in ("hello", "business", "zone")},
            "processor": {"max_workers": 2, "drain_timeout": "100ms"},
        }
        config = folder / "gateway.toml"
        config.write_text(
            "\n".join(
                f"[{name}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in keys.items())
                for name, keys in tables.items()
            )
        )
        async with GatewayProcess.serve(config, parts=parts) as gateway:
            yield gateway, upstream


async def test_what_waits_behind_hellos_is_bounded_in_bytes(tmp_path: Path, parts: Parts) -> None:
    async with gateway_with(tmp_path, parts) as (gateway, upstream), contextlib.AsyncExitStack() as stack:
        gate = upstream.hold("hello")
        upstream.on("echo", measure)
        clients = []
        for number in range(CLIENTS):
            client = await stack.enter_async_context(await raw_client.connect(*gateway.ready.quic))
            assert (await client.start(f"u{number}")).success
            client.business("hello")
            clients.append(client)
        before = resident(gateway.pid)
        data = bytes(SIZE)
        sent = [(client, client.business("echo", data=data)) for _ in range(REQUESTS) for client in clients]
        # Four of a million bytes are within the limit of a session, and the rest is told at once.
        refused = CLIENTS * (REQUESTS - 4)
        await wire.until(
            lambda: sum(len(client.replies(message)) for client, message in sent) == refused, what="429s", within=40
        )
        grown = resident(gateway.pid) - before
        # Three times 4 MiB, and what the transport keeps for its own use.
        assert grown < SENT * 3 // 4, f"{grown} bytes for {SENT} sent"
        for client, message in sent:
            for push in client.replies(message):
                assert wire.error(push).error_code == 429
                assert int(push.headers["retry-after-ms"]) > 0
        gate.open()
        for client, message in sent:
            if not client.replies(message):
                assert wire.business(await client.reply(message)).data == b"%d" % SIZE


async def test_many_small_parameters_take_no_more_than_is_counted(tmp_path: Path, parts: Parts) -> None:
    params = {f"{number:x}": "" for number in range(25_000)}
    payload = pb.BusinessRequest(action="echo", params=params).SerializeToString()
    async with (
        gateway_with(tmp_path, parts) as (gateway, upstream),
        await raw_client.connect(*gateway.ready.quic) as client,
    ):
        upstream.hold("hello")
        assert (await client.start("alice")).success
        client.business("hello")
        before = resident(gateway.pid)
        messages = [client.request(pb.REQUEST_BUSINESS, payload, seq=seq) for seq in range(2, 32)]
        await wire.until(lambda: len(client.numbered) >= 29, what="429s", within=40)
        grown = resident(gateway.pid) - before
        assert grown < LIMIT + 20_000_000, f"{grown} bytes for {len(messages) * len(payload)} sent"
