"""The whole path under ``quicgw bench``: every combination of compiled and plain parts, several loads, in turn.

The gateway, the load generator and the services have a process each. Rounds are interleaved, so that what else the
machine does meets all alike; medians and their ratio to the first combination count. ``make bench-e2e`` writes
``benches/out/end_to_end.json`` (every run, as ``quicgw bench --json`` prints it) and ``benches/out/end_to_end.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benches.compiled import services
from benches.gateways import COMBINATIONS, NO_LIMITS, Combination, gateway

OUT = Path(__file__).parent / "out"
LOADS = {
    "50 x 2": ("--sessions", "50", "--in-flight", "2"),
    "200 x 1": ("--sessions", "200", "--in-flight", "1"),
    "50, 1 000/s": ("--sessions", "50", "--rate", "1000"),
}
FIGURES = {
    "gateway us/request": ("cpu", "gateway_us"),
    "requests/s": ("rate",),
    "p50 ms": ("latency_ms", "p50"),
    "p99 ms": ("latency_ms", "p99"),
    "login p50 ms": ("logins_ms", "p50"),
    "generator us/request": ("cpu", "generator_us"),
}


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


def figure(run: dict[str, Any], place: tuple[str, ...]) -> float:
    """Look one figure up."""
    value: Any = run
    for name in place:
        value = value[name]
    return float(value)


def table(runs: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """Return the medians as a table of Markdown; ratios are to the first combination under the same load."""
    lines = [f"| load | combination | {' | '.join(FIGURES)} | ratio |", "|---|---|" + "---|" * (len(FIGURES) + 1)]
    first: dict[str, float] = {}
    for (load, combination), found in runs.items():
        medians = [statistics.median(figure(run, place) for run in found) for place in FIGURES.values()]
        ratio = medians[0] / first.setdefault(load, medians[0])
        lines.append(f"| {load} | {combination} | {' | '.join(f'{value:,.1f}' for value in medians)} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


async def run(rounds: int, seconds: float) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Run every combination under every load, round by round."""
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {
        (load, combination.name): [] for load in LOADS for combination in COMBINATIONS
    }
    for number in range(rounds):
        for load, arguments in LOADS.items():
            for combination in COMBINATIONS:
                print(f"round {number + 1}: {load}, {combination.name}", file=sys.stderr)
                runs[load, combination.name].append(await one_run(combination, arguments, seconds))
    return runs


def main() -> None:
    """Measure, print the table, and keep everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each run")
    wanted = parser.parse_args()
    runs = asyncio.run(run(wanted.rounds, wanted.seconds))
    OUT.mkdir(exist_ok=True)
    told = [{"load": load, "combination": combination, "runs": found} for (load, combination), found in runs.items()]
    (OUT / "end_to_end.json").write_text(json.dumps(told))
    text = table(runs)
    (OUT / "end_to_end.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
