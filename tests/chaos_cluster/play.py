"""A town, a proxy that leads clients to any of its nodes, and the load on both: put together for one test."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos_cluster.load import Load
from tests.chaos_cluster.town import Town
from tests.support.raw_upstream import RawUpstream
from tests.support.udp_proxy import UdpProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.parts import Parts

NOBODY = ("127.0.0.1", 9)
"""Where clients are led while there is no node."""


class Play(NamedTuple):
    """Who is there."""

    town: Town
    proxy: UdpProxy
    load: Load


@contextlib.asynccontextmanager
async def playing(
    folder: Path,
    certificate: tuple[Path, Path],
    *,
    seed: int,
    lease: float,
    retain: str = "memory",
    players: int = 8,
    tables: str = "",
    parts: Parts | None = None,
) -> AsyncIterator[Play]:
    """Have everything run, and clients play."""
    chance = random.Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(RawUpstream())
        town = Town(folder, certificate, service.address, lease=lease, retain=retain, tables=tables, parts=parts)
        await stack.enter_async_context(town)
        proxy = UdpProxy(lambda: chance.choice(town.serving() or [NOBODY]), seed=seed)
        await stack.enter_async_context(proxy)
        load = Load(service, proxy, lambda: town.pusher(chance), seed, players)
        yield Play(town, proxy, await stack.enter_async_context(load))
