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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benches.services import services
from benches.whole_path import OUT, gateway
from quicgw_fast.config import ServerConfig, UpstreamConfig

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


@dataclass(frozen=True)
class Combination:
    """Which makers a gateway runs with; ``tables`` are of its configuration."""

    name: str
    backend: str
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)


def combinations() -> list[Combination]:
    """Return those that this build can be configured for, the default ones first."""
    found = [Combination("plain ends, rust engine", "rust"), Combination("plain ends, python engine", "python")]
    quinn = {"server": {"transport": "quinn"}} if "transport" in ServerConfig.model_fields else {}
    native = {"upstream": {"client": "native"}} if "client" in UpstreamConfig.model_fields else {}
    if quinn:
        found.append(Combination("quinn, grpcio", "rust", quinn))
    if native:
        found.append(Combination("aioquic, native", "rust", native))
    if quinn and native:
        found.append(Combination("quinn, native", "rust", {**quinn, **native}))
    return found


async def one_run(combination: Combination, load: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Start everything anew, put the load on it, and return what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(combination.backend, Path(folder), upstreams, **combination.tables) as (addresses, pid),
        ):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "quicgw_fast", "bench", addresses["quic"], "--insecure", "--quiet", "--json",
                "--pid", str(pid), "--warm-up", "1s", "--duration", f"{seconds}s", *load,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            printed, _ = await process.communicate()
    found: dict[str, Any] = json.loads(printed)
    if process.returncode:
        raise SystemExit(f"{combination.name}: {found.get('message') or found['violation_texts'] or found['closed']}")
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
        (load, combination.name): [] for load in LOADS for combination in combinations()
    }
    for number in range(rounds):
        for load, arguments in LOADS.items():
            for combination in combinations():
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
