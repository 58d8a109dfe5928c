"""What requests cost on the whole path, under loads that are usual and one that is too much."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches.compiled import services
from benches.gateways import COMBINATIONS, FAST, NO_LIMITS, PLAIN, Combination, gateway
from benches.marks.row import Row

if TYPE_CHECKING:
    from benches.marks.row import Figures

LOADS = {
    "50 x 2": ("--sessions", "50", "--in-flight", "2"),
    "200 x 1": ("--sessions", "200", "--in-flight", "1"),
    "50, 1 000/s": ("--sessions", "50", "--rate", "1000"),
}
_SECONDS = 4.0
_TOO_MUCH = 7
"""Times the capacity."""


async def one_run(combination: Combination, load: tuple[str, ...], seconds: float, **how: Any) -> dict[str, Any]:
    """Start everything anew, put the load on it, and return what was measured; ``how`` is for ``gateway``."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(combination, Path(folder), upstreams, limits=NO_LIMITS, **how) as (addresses, pid),
        ):
            return await bench(combination.name, addresses["quic"], pid, load, seconds)


async def bench(
    name: str, address: str, pid: int, load: tuple[str, ...], seconds: float, *, may_close: bool = False
) -> dict[str, Any]:
    """Run ``quicgw bench`` and return what it printed; SystemExit where it found a fault of the gateway ``name``.

    Sessions that are closed are one, unless the gateway ``may_close`` them: it has more to do than it can.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "quicgw_fast", "bench", address, "--insecure", "--quiet", "--json",
        "--pid", str(pid), "--warm-up", "1s", "--duration", f"{seconds}s", "--connect-timeout", "60s", *load,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await process.communicate()
    found: dict[str, Any] = json.loads(printed)
    if process.returncode and not (may_close and found.get("closed") and not found["violations"]):
        raise SystemExit(f"{name}: {found.get('message') or found['violation_texts'] or found['closed']}")
    return found


def _figures(run: dict[str, Any]) -> dict[str, float]:
    return {
        "gateway us": run["cpu"]["gateway_us"],
        "generator us": run["cpu"]["generator_us"],
        "requests/s": run["rate"],
        "p50 ms": run["latency_ms"].get("p50", 0.0),
        "p99 ms": run["latency_ms"].get("p99", 0.0),
    }


async def whole(combination: Combination, load: str) -> Figures:
    """Run one of the usual loads; µs of the gateway for each request."""
    return _figures(await one_run(combination, LOADS[load], _SECONDS))


async def goodput(combination: Combination) -> Figures:
    """Good replies a second, while 200 sessions ask for 7 times what they get in a closed loop, as a part of that."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(combination, Path(folder), upstreams, limits=NO_LIMITS) as (addresses, pid),
        ):
            found = await bench(combination.name, addresses["quic"], pid, LOADS["200 x 1"], _SECONDS)
            capacity = found["goodput"]
            # First the clients fill their windows, as fast as they are let: what counts is how it goes on.
            offered = ("--sessions", "200", "--rate", str(int(_TOO_MUCH * capacity)), "--warm-up", "5s")
            run = await bench(combination.name, addresses["quic"], pid, offered, _SECONDS, may_close=True)
    return {
        "part": run["goodput"] / capacity,
        "capacity/s": capacity,
        "offered/s": (run["requests"] + run["withheld"]) / run["seconds"],
        "sent/s": run["requests"] / run["seconds"],
        "good/s": run["goodput"],
        "sent late p99 ms": run["lateness_ms"].get("p99", 0.0),
        "good p99 ms": run["latency_ms"].get("p99", 0.0),
        "sessions closed": sum(run["closed"].values()),
        "refused p99 ms": run["refusals_ms"].get("p99", 0.0),
    }


async def growth(combination: Combination, few: int, many: int) -> Figures:
    """How many times as much a request costs with ``many`` sessions as with ``few``, at 1 000 requests/s."""
    costs = []
    for sessions in (few, many):
        run = await one_run(combination, ("--sessions", str(sessions), "--rate", "1000"), _SECONDS)
        costs.append(run["cpu"]["gateway_us"])
    return {"times": costs[1] / costs[0], f"us at {few}": costs[0], f"us at {many}": costs[1]}


async def stalls(combination: Combination) -> Figures:
    """How late the event loop is for what is due, under full load (50 x 2); ms."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(combination, Path(folder), upstreams, limits=NO_LIMITS, module="benches.marks.timed_gateway") as (
                addresses,
                pid,
            ),
        ):
            await bench(combination.name, addresses["quic"], pid, LOADS["50 x 2"], _SECONDS)
        found: dict[str, float] = json.loads((Path(folder) / "stalls.json").read_text())
    return found


ROWS = (
    *(
        Row(
            name,
            f"whole request, {load}, µs",
            {combination.name: partial(whole, combination, load) for combination in COMBINATIONS},
            mark,
            "UDP both ways and a call over TCP: 8 µs",
        )
        for name, load, mark in (
            ("whole-50x2", "50 x 2", "fast ≤ 33 (× 0.16), plain ≤ 140 (× 0.68 of then)"),
            ("whole-200x1", "200 x 1", "fast ≤ 36 (× 0.13), plain ≤ 180 (× 0.67 of then)"),
            ("whole-1000/s", "50, 1 000/s", "fast ≤ 145 (× 0.31)"),
        )
    ),
    Row(
        "goodput",
        "goodput at 7 × capacity, part of capacity",
        {"plain": partial(goodput, PLAIN), "fast": partial(goodput, FAST)},
        "≥ 0.75",
    ),
    Row(
        "growth",
        "cost of a request, 5 000 sessions to 10, at 1 000/s",
        {"plain": partial(growth, PLAIN, 10, 5000), "fast": partial(growth, FAST, 10, 5000)},
        "≤ 1.15",
        "1",
    ),
    Row(
        "stalls",
        "event loop late under full load, p99 ms",
        {"plain": partial(stalls, PLAIN), "fast": partial(stalls, FAST)},
        "< 5",
    ),
)
