"""The upstream side of a gateway alone, offered calls at a steady rate whether or not they are answered."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.clock import SystemClock
from quicgw_fast.config import RoutingConfig, UpstreamConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import Gate, Moment
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import ServiceMode, assemble_upstream, makers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quicgw_fast.proto.service_pb2 import UpstreamResponse
    from quicgw_fast.upstream import Upstream

REQUEST = UpstreamRequest(session_id="s" * 36, openid="alice", action="echo", data=b"x" * 128, client_seq_id=7)
ALL = ServiceMode(RoutingConfig(replace_defaults=True, default="hello"))


@dataclass(slots=True)
class Offered:
    """A call that was offered: when, for how long it was under way, and whether it was answered."""

    at: float
    """Seconds since the beginning."""
    took: float
    good: bool


@asynccontextmanager
async def side_of(addresses: Sequence[str], workers: int, **settings: float) -> AsyncIterator[Upstream]:
    """Connect to the services; ``settings`` are of ``[upstream]``."""
    config = UpstreamConfig(hello=tuple(addresses), **settings)  # type: ignore[arg-type]
    open_channel = makers.load("native").open_channel
    gate, metrics = Gate(Moment.CALL, [], Metrics()), Metrics()  # type: ignore[var-annotated]
    side = assemble_upstream(ALL, config, SystemClock(), metrics, open_channel=open_channel, gate=gate, abreast=workers)
    side.start()
    try:
        async with asyncio.timeout(10.0):
            while not all(instance.connected for instance in side.directory.instances()):
                await asyncio.sleep(0.01)
        yield side
    finally:
        await side.close()


async def offer(side: Upstream, rate: float, seconds: float, workers: int, timeout: float = 10.0) -> list[Offered]:
    """Offer calls at a rate; where all workers are busy, one fails at once."""
    began = time.monotonic()
    offered: list[Offered] = []
    under_way = 0

    def ended(at: float, outcome: UpstreamResponse | Exception) -> None:
        nonlocal under_way
        under_way -= 1
        offered.append(Offered(at, time.monotonic() - began - at, not isinstance(outcome, Exception)))

    number = 0
    while (at := number / rate) < seconds:
        number += 1
        await asyncio.sleep(began + at - time.monotonic())
        if under_way >= workers:
            offered.append(Offered(at, 0.0, good=False))
            continue
        under_way += 1
        try:
            side.caller.begin(REQUEST, timeout, partial(ended, at))
        except Exception as error:  # every refusal is an outcome
            ended(at, error)
    while under_way:
        await asyncio.sleep(0.01)
    return offered


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share is."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0
