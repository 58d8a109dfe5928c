"""A service that takes ten times as long for twenty seconds: with a limit that adapts, and without one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benches.balance.plot import Curve, Panel, draw
from benches.balance.service import service
from benches.balance.side import offer, percentile, side_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benches.balance.side import Offered
    from quicgw_fast.upstream import Instance

RATE, WORKERS, ABREAST = 200.0, 96, 16
"""Calls offered in a second, the most that are under way, and how many the service works on at a time."""
USUAL, LONGER = 0.05, 0.5
STEP, BACK, END = 5.0, 25.0, 35.0
LOOK = 0.25


async def run(*, adaptive: bool) -> tuple[list[Offered], list[tuple[float, float, float]]]:
    """Return what became of all calls, and at each look the time, the limit and what was under way."""
    looks: list[tuple[float, float, float]] = []
    async with (
        service(USUAL, ABREAST) as there,
        side_of([there.address], WORKERS, adaptive_concurrency=adaptive) as side,
    ):
        (instance,) = side.directory.instances()
        loop = asyncio.get_running_loop()
        loop.call_later(STEP, there.take, LONGER)
        loop.call_later(BACK, there.take, USUAL)
        watching = asyncio.create_task(watch(instance, looks))
        offered = await offer(side, RATE, END, WORKERS)
        watching.cancel()
    return offered, looks


async def watch(instance: Instance, looks: list[tuple[float, float, float]]) -> None:
    """Note how it is, again and again."""
    began = time.monotonic()
    while True:
        looks.append((time.monotonic() - began, min(instance.room, WORKERS), instance.in_flight))
        await asyncio.sleep(LOOK)


def over_time(offered: Sequence[Offered], share: float) -> list[tuple[float, float]]:
    """That percentile of the time of answered calls, in milliseconds, second by second."""
    seconds = range(int(END))
    return [
        (s + 0.5, percentile([o.took * 1e3 for o in offered if o.good and s <= o.at < s + 1], share)) for s in seconds
    ]


async def measure() -> str:
    """Print both, and return a drawing of them."""
    works = f"a service that works on {ABREAST} calls at a time, for {USUAL * 1e3:g} ms, and {LONGER * 1e3:g} ms from"
    print(f"{RATE:g} calls/s, {WORKERS} workers, {works} {STEP:g} s to {BACK:g} s")
    print(f"{'limit':<10}{'':<12}{'answered/s':>11}{'p50 ms':>8}{'p99 ms':>8}{'refused/s':>11}{'waited ms p99':>14}")
    drawn: dict[str, Sequence[tuple[float, ...]]] = {}
    for name, adaptive in (("adapts", True), ("none", False)):
        offered, drawn[name] = await run(adaptive=adaptive)
        for when, begin, end in (("before", 0.0, STEP), ("during", STEP, BACK), ("after", BACK, END)):
            then = [each for each in offered if begin <= each.at < end]
            good = [each.took * 1e3 for each in then if each.good]
            bad = [each.took * 1e3 for each in then if not each.good]
            figures = f"{len(good) / (end - begin):>11.0f}{percentile(good, 0.5):>8.0f}{percentile(good, 0.99):>8.0f}"
            print(f"{name:<10}{when:<12}{figures}{len(bad) / (end - begin):>11.0f}{percentile(bad, 0.99):>14.0f}")
        drawn[f"{name} latency"] = over_time(offered, 0.5)
    return picture(drawn)


def picture(of: Mapping[str, Sequence[tuple[float, ...]]]) -> str:
    """Draw the limit and what was under way, and the latency."""
    under_way = Curve("under way, adapts", [(look[0], look[2]) for look in of["adapts"]])
    without = Curve("under way, none", [(look[0], look[2]) for look in of["none"]])
    limit = Curve("limit", [(look[0], look[1]) for look in of["adapts"]])
    took = [Curve(name, [(s, ms) for s, ms in of[f"{name} latency"]]) for name in ("adapts", "none")]
    panels = [Panel("calls", [limit, under_way, without]), Panel("median of answered calls, ms", took)]
    return draw(panels, [(STEP, f"takes {LONGER * 1e3:g} ms"), (BACK, f"takes {USUAL * 1e3:g} ms again")])
