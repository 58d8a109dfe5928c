"""One reading of each gateway as plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.cli.tables import amount, lasting
from quicgw_fast.cli.watch import figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quicgw_fast.cli.watch.reading import GatewayReading, Watched


def lines(watched: Sequence[Watched]) -> Iterator[str]:
    """Return a few lines for each."""
    for each in watched:
        if each.trouble is not None or each.reading is None:
            yield f"{each.name}  {each.word}: {each.trouble}"
            continue
        yield f"{each.name}  up {lasting(each.reading['performance']['uptime'])}"
        for name, text in _facts(each.reading):
            yield f"  {name:<10} {text}"


def _facts(reading: GatewayReading) -> Iterator[tuple[str, str]]:
    performance = reading["performance"]
    last = performance["history"][-1] if performance["history"] else {}
    for key in ("requests", "replies", "notifies", "refused"):
        yield key, f"{figures.rate(last.get(key))}/s, {figures.count(performance['totals'][key])} in all"
    total = reading["latency"]["stages"]["total"]
    times = ", ".join(f"{p} {figures.took(total[p])}" for p in ("p50", "p95", "p99")) if total["count"] else "–"
    yield "latency", times
    sessions, queue, process = performance["sessions"], performance["queue"], performance["process"]
    yield "sessions", f"{figures.count(sessions['attached'])} attached, {figures.count(sessions['detached'])} detached"
    yield "queue", f"{figures.count(queue['length'])} of {figures.count(queue['capacity'])}"
    yield "workers", f"{figures.count(queue['busy'])} of {figures.count(queue['workers'])} busy"
    yield "process", f"CPU {figures.percent(process['cpu'])}, memory {amount(process['memory'])}"
    for one in reading["upstreams"]["upstreams"]:
        state = "drained" if one["drained"] else one["state"]
        yield "upstream", f"{one['service']} {one['address']} {state} {one['reason']}".rstrip()
