"""Offer 1, 2, 5 and 10 times the capacity, in an open loop: ``python -m benches.overload [--write]``.

The capacity is what 200 sessions get in a closed loop of the same process. Without the rules a queue of 10 000 places
has no bound by time. Generator, services and gateway share the machine, so that processor time tells as much.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

import uvloop

from benches.compiled import ROOT, services
from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination, gateway
from benches.marks.requests import LOADS, bench

TIMES = (1, 2, 5, 10)
SESSIONS = "200"
WITH = {"queue_target": "100ms", "queue_interval": "1s"}
WITHOUT = {"queue_target": "30s", "queue_interval": "30s"}
"""Of ``[processor]``."""
HEAD = (
    "| ends | rules | offered, × | offered/s | read/s | good/s | of peak "
    "| good p50, p99 ms | refused p50, p99 ms | CPU |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


async def column(combination: Combination, rules: bool, seconds: float) -> list[tuple[int, dict[str, Any]]]:
    """What came of each load; of 0 times what the closed loop did."""
    with tempfile.TemporaryDirectory() as folder:
        processor = WITH if rules else WITHOUT
        async with (
            services() as upstreams,
            gateway(combination, Path(folder), upstreams, limits=NO_LIMITS, processor=processor) as (addresses, pid),
        ):
            found = [(0, await bench(combination.name, addresses["quic"], pid, LOADS["200 x 1"], seconds))]
            capacity = found[0][1]["goodput"]
            for times in TIMES:
                load = ("--sessions", SESSIONS, "--rate", str(int(times * capacity)), "--warm-up", "5s")
                run = await bench(combination.name, addresses["quic"], pid, load, seconds, may_close=True)
                found.append((times, run))
    return found


def rows(name: str, rules: bool, found: list[tuple[int, dict[str, Any]]]) -> list[str]:
    """The lines of the table; peak is the best that was seen."""
    peak = max(run["goodput"] for _, run in found)
    return [
        "| "
        + " | ".join(
            (
                name,
                "on" if rules else "off",
                str(times or "closed loop"),
                f"{(run['requests'] + run['withheld']) / run['seconds']:,.0f}",
                f"{(run['replies']) / run['seconds']:,.0f}",
                f"{run['goodput']:,.0f}",
                f"{run['goodput'] / peak:.2f}",
                _two(run["latency_ms"]),
                _two(run["refusals_ms"]),
                f"{run['cpu']['gateway_us'] * run['requests'] / run['seconds'] / 1e6:.2f}",
            )
        )
        + " |"
        for times, run in found
    ]


def _two(of: dict[str, float]) -> str:
    return f"{of['p50']:,.0f}, {of['p99']:,.0f}" if of.get("p50") is not None else "–"


def write(table: list[str]) -> None:
    """Put the table into docs/overload.md, in place of the one that is there."""
    path = ROOT / "docs" / "overload.md"
    before, _, rest = path.read_text(encoding="utf-8").partition("<!-- goodput -->\n")
    _, end, after = rest.partition("<!-- /goodput -->")
    path.write_text(before + "<!-- goodput -->\n" + "\n".join(table) + "\n" + end + after, encoding="utf-8")


async def measure(seconds: float) -> list[str]:
    """Both ends, with the rules and without; one after the other, as each takes the machine."""
    table = list(HEAD)
    for name, combination in (("plain", PLAIN), ("fast", FAST)):
        for rules in (True, False):
            lines = rows(name, rules, await column(combination, rules, seconds))
            print("\n".join(lines), flush=True)
            table += lines
    return table


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load, after 5 s to settle")
    parser.add_argument("--write", action="store_true", help="write the table into docs/overload.md")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        table = runner.run(measure(arguments.seconds))
    if arguments.write:
        write(table)


if __name__ == "__main__":
    main()
