"""Measure the marks: ``python -m benches.marks`` for all, with names for some. Rounds are interleaved; ratios count.

Prints medians, keeps every round (``kept``), and with ``--write`` writes the tables and plots of docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import uvloop

from benches.marks.kept import ROWS, Rounds, keep, medians, ratios, shown
from benches.marks.report import write
from quicgw_fast.cli.descriptors import raise_descriptor_limit

if TYPE_CHECKING:
    from benches.marks.row import Row


async def measured(row: Row, rounds: int) -> dict[str, Rounds]:
    """Run the variants of a row in turn, and return the figures of each in all rounds."""
    found: dict[str, Rounds] = {variant: [] for variant in row.variants}
    for number in range(rounds):
        for variant, measure in row.variants.items():
            print(f"{row.name}, round {number + 1}: {variant}", file=sys.stderr, flush=True)
            found[variant].append(dict(await measure()))
    return found


def lines(row: Row, found: dict[str, Rounds]) -> list[str]:
    """Return the row as it is printed: the median of each variant, its ratio to the first, and what else was seen."""
    told = [f"{row.what}; mark: {row.mark}" + (f"; limit: {row.limit}" if row.limit else "")]
    of = medians(found)
    for variant, ratio in ratios(of).items():
        figure, *others = of[variant].items()
        more = ", ".join(f"{name} {shown(value)}" for name, value in others)
        told.append(f"  {variant:<28}{shown(figure[1]):>10}  × {ratio:<7.3f}{more}")
    return told


async def run(names: list[str], rounds: int) -> None:
    """Measure, print and keep one row after the other."""
    raise_descriptor_limit()
    for name in names:
        found = await measured(ROWS[name], rounds)
        print("\n".join(lines(ROWS[name], found)), flush=True)
        keep(name, found)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3, help="0: measure nothing")
    parser.add_argument("--write", action="store_true", help="write what is kept into docs/performance.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ROWS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if arguments.rounds:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(arguments.names or list(ROWS), arguments.rounds))
    if arguments.write:
        write()


if __name__ == "__main__":
    main()
