"""Many clients log in at a service with little room: all are in within their time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import quicgw_fast.client as sdk
from tests.support.raw_upstream import RawUpstream, answer
from tests.support.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.proto import service_pb2 as pb
    from tests.support.parts import Ends

AT_ONCE = 2


async def test_all_come_in_although_few_fit_at_once(certificate: tuple[Path, Path], ends: Ends) -> None:
    running, most = 0, 0

    async def hello(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return answer(request)

    async with RawUpstream("hello") as upstream:
        upstream.on("hello", hello)
        table = {"hello": [upstream.address], "max_concurrency": AT_ONCE}
        async with World(ends.gateway, certificate, upstream=table) as world:
            host, port = world.address
            clients = [sdk.connect(f"{host}:{port}", openid=f"user-{number}", ca=certificate[0]) for number in range(8)]
            try:
                await asyncio.gather(*(client.start() for client in clients))
                assert all(client.connected for client in clients)
                assert most <= AT_ONCE
            finally:
                await asyncio.gather(*(client.close() for client in clients))
