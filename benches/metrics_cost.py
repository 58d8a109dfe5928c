"""What it costs to count: ``python -m benches.metrics_cost [--write]``.

Metrics cannot be switched off, so they are not measured by their absence. Instead:

* *writes*: how often one request adds to a counter and notes a value, as the registry itself tells after some hundreds
  of requests. A number that somebody keeps and that is read when asked for (``total``) counts as one addition where it
  has changed, whoever keeps it; so this is rather too many.
* *price*: what an addition and a note take here, timed in a loop, the note with its share of the sorting, and with a
  reading of the clock for those that are made with a time that nothing else needs.
* *share*: writes times price of the processor time of a request, measured in the same run (50 × 2).

Beside them is one page of ``/metrics``, which costs when it is asked for, as a share of a core where it is asked every
``SCRAPED`` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import time
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import uvloop

from benches.check import replies
from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination
from benches.marks.load import sessions
from benches.marks.requests import LOADS, one_run
from quicgw_fast.clock import SystemClock
from quicgw_fast.config import load
from quicgw_fast.demo.embedded import Certificate, embedded_gateway
from quicgw_fast.observe import Metrics, Unit
from quicgw_fast.observe.exposition import Exposition
from quicgw_fast.observe.metrics import MetricKind

if TYPE_CHECKING:
    from quicgw_fast.gateway import Gateway

SCRAPED: Final = 15.0
"""Seconds between two scrapes, which is Prometheus' usual."""
ROUNDS: Final = 5
_REQUESTS: Final = 320
_TIMES: Final = 200_000
_BATCH: Final = 1000
"""Values that are sorted together, which is done once a second."""
_PAGES: Final = 40
_READ_ANYWAY: Final = 2.0
"""Notes of each request whose time is needed anyway: when the wait for a worker ends it is seen whether the session is
still there, and how long a call took is what tells a slow instance from a fast one."""
_DOCUMENT: Final = Path(__file__).parent.parent / "docs/performance.md"


class Writes(NamedTuple):
    """How often a request writes into the registry."""

    additions: float
    notes: float


class Prices(NamedTuple):
    """What one of them takes, in microseconds."""

    addition: float
    note: float
    """With its share of the sorting."""
    reading: float
    """Of the clock."""

    def of(self, writes: Writes) -> float:
        """What those of one request take."""
        read = writes.notes - _READ_ANYWAY
        return writes.additions * self.addition + writes.notes * self.note + read * self.reading


def written(metrics: Metrics) -> dict[tuple[str, ...], tuple[MetricKind, Unit, float]]:
    """What the registry tells of its counters, and how many values its distributions have."""
    found = {}
    for family in metrics:
        for sample in family.read():
            if family.kind is MetricKind.GAUGE:
                continue
            value = sample.value if isinstance(sample.value, int | float) else sample.value.count
            found[family.name, *sample.labels] = family.kind, family.unit, value
    return found


def writes_between(before: dict[Any, Any], after: dict[Any, Any], requests: int) -> Writes:
    """How often each of so many requests wrote, if nothing else did.

    A counter of bytes or seconds grows by more than one at a time: one addition for each request is what it had.
    """
    additions = notes = 0.0
    for key, (kind, unit, value) in after.items():
        grown = (value - before[key][2]) / requests
        if kind is not MetricKind.COUNTER:
            notes += grown
        else:
            additions += grown if unit is Unit.COUNT else min(grown, 1.0)
    return Writes(additions, notes)


def prices() -> Prices:
    """Time both writes as the parts of the gateway do them; the loop's own cost is taken off."""

    class Part:
        def __init__(self) -> None:
            self.counter = Metrics().counter("made", "Made")
            self.took = Metrics().duration("took", "Took")

    part = Part()
    values = [0.0001 * number for number in range(1, _BATCH + 1)]
    names = {"part": part, "now": SystemClock().now, "values": values}

    def each(statement: str, of: int = 1) -> float:
        times = _TIMES // of
        return min(timeit.repeat(statement, globals=names, number=times, repeat=5)) / (times * of) * 1e6

    empty = each("pass")
    note = each("part.took.observe(0.001)") - empty
    part.took.sort()
    # All at once, which costs little beside the sorting.
    sorting = each("part.took.observe_all(values); part.took.sort()", _BATCH)
    return Prices(each("part.counter.value += 1") - empty, note + sorting, each("now()") - empty)


async def counted(combination: Combination) -> tuple[Writes, float]:
    """The writes of a request, and the milliseconds that a page of ``/metrics`` takes."""
    free = "127.0.0.1:0"
    flags: dict[str, dict[str, Any]] = {
        "server": {"quic": free, "grpc": free, "admin": free},
        "limits": dict(NO_LIMITS),
        "log": {"level": "error"},
    }
    for name, table in combination.tables.items():
        flags[name] = {**flags.get(name, {}), **table}
    with Certificate() as certificate:
        async with (
            embedded_gateway(load(overrides=flags), certificate) as gateway,
            sessions(gateway.addresses.quic, ["alice"]) as seen,
        ):
            await replies(seen, 50)
            before = written(gateway.metrics)
            made = await replies(seen, _REQUESTS)
            return writes_between(before, written(gateway.metrics), made), await _page(gateway)


async def _page(gateway: Gateway) -> float:
    exposition = Exposition(gateway.metrics, {"engine": "rust"})
    begun = time.process_time()
    for _ in range(_PAGES):
        await exposition.render("text/plain")
    return (time.process_time() - begun) / _PAGES * 1e3


def rows(combination: Combination) -> str:
    """Measure one combination in several rounds, and return its line of the table."""
    shares, costs, requests, pages = [], [], [], []
    for _ in range(ROUNDS):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            writes, page = runner.run(counted(combination))
        price = prices().of(writes)
        run = asyncio.run(one_run(combination, LOADS["50 x 2"], 2.0))
        request = run["cpu"]["gateway_us"]
        shares.append(price / request * 100)
        costs.append(price)
        requests.append(request)
        pages.append(page)
    cost, request, page = (statistics.median(each) for each in (costs, requests, pages))
    return (
        f"| {combination.name} | {writes.additions:.0f} + {writes.notes:.0f} | {cost:.2f} | {request:.1f} | "
        f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f}) | {page:.1f} | "
        f"{page / 1e3 / SCRAPED * 100:.2f} |"
    )


def main() -> None:
    """Measure, print, and write if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    arguments = parser.parse_args()
    head = "parts | writes | µs | request, µs | share, % | a page, ms | of a core, %"
    lines = [f"| {head} |", "|---" * (head.count("|") + 1) + "|"]
    lines += [rows(combination) for combination in (PLAIN, FAST)]
    table = "\n".join(lines) + "\n"
    print(table)
    if arguments.write:
        text = _DOCUMENT.read_text(encoding="utf-8")
        text = re.sub(r"(?s)(<!-- counting -->\n).*(<!-- /counting -->)", lambda at: at[1] + table + at[2], text)
        _DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
