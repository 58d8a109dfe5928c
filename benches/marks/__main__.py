"""Measure the marks: ``python -m benches.marks`` for all, with names for some. Rounds are interleaved; ratios count.

The table shows medians. ``benches/out/marks.json`` keeps every round; rows that were not asked for stay in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import uvloop

from benches.end_to_end import OUT
from benches.marks import calls, echo, requests, sessions
from quicgw_fast.cli.descriptors import raise_descriptor_limit

if TYPE_CHECKING:
    from benches.marks.row import Row

ROWS = {row.name: row for row in (*echo.ROWS, *calls.ROWS, *requests.ROWS, *sessions.ROWS)}
KEPT = OUT / "marks.json"


async def measured(row: Row, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run the variants of a row in turn, and return the figures of each in all rounds."""
    found: dict[str, list[dict[str, float]]] = {variant: [] for variant in row.variants}
    for number in range(rounds):
        for variant, measure in row.variants.items():
            print(f"{row.name}, round {number + 1}: {variant}", file=sys.stderr, flush=True)
            found[variant].append(dict(await measure()))
    return found


def lines(row: Row, found: dict[str, list[dict[str, float]]]) -> list[str]:
    """Return the row as it is printed: the median of each variant, its ratio to the first, and what else was seen."""
    told = [f"{row.what}; mark: {row.mark}" + (f"; limit: {row.limit}" if row.limit else "")]
    reference: float | None = None
    for variant, rounds in found.items():
        medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
        (_, figure), *others = medians.items()
        reference = reference or figure
        more = ", ".join(f"{name} {shown(value)}" for name, value in others)
        told.append(f"  {variant:<28}{shown(figure):>10}  × {figure / reference:<7.3f}{more}")
    return told


def shown(figure: float) -> str:
    """Three digits that count."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def kept() -> dict[str, Any]:
    """Return what was measured so far, by row."""
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


async def run(names: list[str], rounds: int) -> None:
    """Measure, print and keep one row after the other."""
    raise_descriptor_limit()
    for name in names:
        found = await measured(ROWS[name], rounds)
        print("\n".join(lines(ROWS[name], found)), flush=True)
        OUT.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps({**kept(), name: {"at": time.time(), "variants": found}}, indent=1))


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ROWS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(arguments.names or list(ROWS), arguments.rounds))


if __name__ == "__main__":
    main()
