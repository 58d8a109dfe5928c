"""What many gateways cost: to push through the wrong one, to move a session, to lose one of them."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benches.compiled import services
from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination, gateway
from benches.marks.nodes import LEASE, cluster, directory
from benches.marks.requests import bench
from benches.marks.row import Row
from quicgw_fast.config import split_address
from quicgw_fast.proto.service_pb2 import UnicastPushRequest
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient
from tests.cluster.town import Town
from tests.support import raw_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.marks.load import Gateway
    from benches.marks.row import Figures

_SESSIONS = 50
_PUSHES, _ABREAST = 6000, 64
_SINGLE = 400
"""Pushes one after the other, whose times are told."""
_MOVES = 300
_LOST = 300
"""Sessions of a node that is killed."""
_LIVES = 5000


async def pushes(combination: Combination, through: int) -> Figures:
    """Pushes to sessions of node 0 through a node; µs of both processes for each, 64 under way, then one by one."""
    async with cluster(combination, 2) as nodes, nodes[0].sessions(_SESSIONS):
        client = GatewayClient(nodes[through].addresses["grpc"])
        try:
            await _push_all(client, _PUSHES // 4)
            before = _cpu(nodes)
            await _push_all(client, _PUSHES)
            used = _cpu(nodes) - before
            times = [await _push(client, number) for number in range(_SINGLE)]
        finally:
            await client.close()
    return {"us": used / _PUSHES * 1e6, **_percentiles(times)}


async def _push_all(client: GatewayClient, count: int) -> None:
    todo = iter(range(count))

    async def some() -> None:
        for number in todo:
            await _push(client, number)

    await asyncio.gather(*(some() for _ in range(_ABREAST)))


async def _push(client: GatewayClient, number: int) -> float:
    began = time.perf_counter()
    target = f"load-{number % _SESSIONS}"
    answer = await client.push(UnicastPushRequest(target_type="openid", target_id=target, data=b"x" * 128), 10.0)
    if not answer.success:
        raise SystemExit(f"a push was refused: {answer.error_code} {answer.message}")
    return time.perf_counter() - began


async def moves(combination: Combination, to: int) -> Figures:
    """How long a resuming START takes at the node of the session (0), or at another one (1); ms."""
    async with cluster(combination, 2) as nodes:
        times = []
        for number in range(_MOVES):
            first, second = await _client(nodes[0]), await _client(nodes[to])
            openid = f"user-{number}"
            began = await first.start(openid)
            await first.hello()
            sent = time.perf_counter()
            resumed = await second.start(openid, "", first.last_seq, began.connection_id, began.epoch)
            times.append(time.perf_counter() - sent)
            if not resumed.resumed:
                raise SystemExit(f"a session was reset: {resumed}")
            await asyncio.gather(first.bury(), second.bury())
    return {"p50 ms": statistics.median(times) * 1e3, **_percentiles(times)}


async def failover(combination: Combination) -> Figures:
    """How long after kill -9 of their node all sessions are served by another one; s."""
    async with cluster(combination, 2) as nodes:
        homeless = [await _client(nodes[0]) for _ in range(_LOST)]
        for number, client in enumerate(homeless):
            await client.start(f"user-{number}")
            await client.hello()
        os.kill(nodes[0].pid, signal.SIGKILL)
        killed = time.perf_counter()
        served = await asyncio.gather(*(_served(nodes[1], f"user-{number}") for number in range(_LOST)))
        took = sorted(at - killed for at in served)
        await asyncio.gather(*(client.bury() for client in homeless))
    return {"s": took[-1], "median s": statistics.median(took), "first s": took[0]}


async def _served(node: Gateway, openid: str) -> float:
    """Come again as often as one is told to; when an answer of a service came."""
    while True:
        client = await _client(node)
        try:
            answer = await client.start(openid)
            if answer.success:
                await client.hello()
                return time.perf_counter()
            assert client.start_push is not None
            await asyncio.sleep(int(client.start_push.headers["retry-after-ms"]) / 1e3)  # as it was told
        finally:
            await client.bury()


async def retained(combination: Combination, retain: str, rate: int) -> Figures:
    """Requests of 50 clients, ``rate`` a second in all or as many as can be; µs of the gateway for each."""
    load = ("--sessions", "50", *(("--rate", str(rate)) if rate else ("--in-flight", "2")))
    async with cluster(combination, 1, retain=retain) as nodes:
        run = await bench(combination.name, nodes[0].addresses["quic"], nodes[0].pid, load, 4.0)
    latency = {f"{name} ms": run["latency_ms"][name] for name in ("p50", "p99")}
    return {"us": run["cpu"]["gateway_us"], "requests/s": run["rate"], **latency}


async def workers(combination: Combination, count: int) -> Figures:
    """Requests a second through so many processes on one port, for as many clients as they can serve."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            directory() as server,
            services() as upstreams,
            gateway(
                combination, Path(folder), upstreams,
                limits=NO_LIMITS, cluster={"url": server.url}, server={"workers": count},
            ) as (addresses, pid),
        ):  # fmt: skip
            run = await bench(combination.name, addresses["quic"], pid, ("--sessions", "200", "--in-flight", "2"), 4.0)
    return {"requests/s": run["rate"], "p50 ms": run["latency_ms"]["p50"], "p99 ms": run["latency_ms"]["p99"]}


async def lives() -> Figures:
    """What the directory does for a session that comes and goes: claim, session, release; µs of its process."""
    async with directory() as server:
        town = Town(server.url, lease=30.0)
        try:
            node = await town.join("one")
            before, began = _server_cpu(server.command("INFO", "cpu")), time.perf_counter()
            for start in range(0, _LIVES, 500):
                names = [f"user-{number}" for number in range(start, start + 500)]
                await asyncio.gather(*(node.come(name, f"s-{name}") for name in names))
                for name in names:
                    node.leave(name)
            while node.node.telling.under_way:
                await asyncio.sleep(0.005)  # there is no event for that nothing is under way
            took = time.perf_counter() - began
            used = _server_cpu(server.command("INFO", "cpu")) - before
        finally:
            await town.close()
    return {"us": used / _LIVES * 1e6, "lives/s of one node": _LIVES / took}


def _server_cpu(told: bytes) -> float:
    lines = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
    return float(lines["used_cpu_user"]) + float(lines["used_cpu_sys"])


def _cpu(nodes: Sequence[Gateway]) -> float:
    return sum(node.cpu() for node in nodes)


async def _client(node: Gateway) -> raw_client.RawClient:
    return await raw_client.connect(*split_address(node.addresses["quic"]))


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"p50 ms": cuts[49] * 1e3, "p99 ms": cuts[98] * 1e3}


_MAKERS = {"plain": PLAIN, "fast": FAST}

ROWS = (
    *(
        Row(
            f"cluster-push-{name}",
            f"a push to a session, {name} ends, 64 under way, µs of all gateways",
            {"through its node": partial(pushes, maker, 0), "through another node": partial(pushes, maker, 1)},
            "≤ + 15 µs, p99 ≤ + 1 ms",
        )
        for name, maker in _MAKERS.items()
    ),
    *(
        Row(
            f"cluster-move-{name}",
            f"a resuming START, {name} ends, ms",
            {"at its node": partial(moves, maker, 0), "at another node": partial(moves, maker, 1)},
            "p99 ≤ 5 ms",
        )
        for name, maker in _MAKERS.items()
    ),
    Row(
        "cluster-failover",
        f"until all {_LOST} sessions of a node that was killed are served, lease of {LEASE:g} s, s",
        {name: partial(failover, maker) for name, maker in _MAKERS.items()},
        "≤ lease + 2 s",
    ),
    *(
        Row(
            f"cluster-retain-{name}-{how}",
            f"a request, {name} ends, {told}, µs of the gateway",
            {kept: partial(retained, maker, kept, rate) for kept in ("memory", "replicated")},
            "≤ + 60 µs, ≤ + 2 ms",
        )
        for name, maker in _MAKERS.items()
        for how, told, rate in (("busy", "100 under way", 0), ("calm", "1 000 a second", 1000))
    ),
    Row(
        "cluster-workers",
        "requests a second, fast ends",
        {"1 worker": partial(workers, FAST, 1), "2 workers": partial(workers, FAST, 2)},
        "two cores in all, which services and clients share",
    ),
    Row(
        "cluster-directory",
        "a session that comes and goes, µs of the directory",
        {"Valkey": lives},
        "",
    ),
)
