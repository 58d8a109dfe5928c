"""``/stats``: the samples of the registry as one JSON object.

A new metric shows up by itself, under ``counters``, ``gauges``, ``durations`` or ``distributions``, with the values of
its labels behind its name; one whose name begins with that of a section is in that section. ``PLACES`` has those that
are elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.observe.distributions import Distribution
from quicgw_fast.observe.metrics import MetricKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.observe.metrics import Family, Metrics, Value

SECTIONS = ("transport", "logins", "offline", "cluster")
"""Where the rest of the name is the key."""
POOLS = {"requests": "processor", "logins": "logins"}
"""The section of each pool of workers, whose names begin with ``processor``; any other pool's is its own name."""
PLACES = {
    "uptime": ("uptime",),
    "connections_open": ("connections",),
    "sessions": ("sessions",),
    "sessions_detached": ("sessions", "detached"),
    "sessions_remembered": ("sessions", "remembered"),
    "retained": ("retained_bytes",),
    "request_memory_used": ("request_memory", "used"),
    "request_memory_limit": ("request_memory", "limit"),
    "buffered": ("buffered", "used"),
    "buffered_limit": ("buffered", "limit"),
    "buffered_most": ("buffered", "most"),
    "buffered_most_limit": ("buffered", "most_limit"),
    "messages": ("accounts",),
    "upstream_max_concurrency": ("upstream", "max_concurrency"),
    "upstream_under_way": ("upstream", "under_way"),
    "refused": ("refused",),
    "would_reject": ("would_reject",),
    "overload_near": ("overload", "near"),
    "overload_warnings": ("overload", "warnings"),
    "log_lines_dropped": ("log_lines_dropped",),
    "lease_remaining": ("cluster", "lease_remaining"),
    "claims_held": ("cluster", "claims"),
    "directory_up": ("cluster", "directory_up"),
    "directory_latency": ("cluster", "directory_latency"),
    "closes": ("closes",),
}
"""Where each of these is; the values of its labels are the keys from there on."""
ALSO: Mapping[tuple[str, ...], tuple[str, ...]] = {("refused", "task", "request-memory"): ("request_memory", "refused")}
"""A sample that is in a second place, too."""
OTHERS = {
    MetricKind.COUNTER: "counters",
    MetricKind.GAUGE: "gauges",
    MetricKind.DURATION: "durations",
    MetricKind.DISTRIBUTION: "distributions",
}


def render_stats(metrics: Metrics, makers: Mapping[str, str], instances: list[dict[str, object]]) -> dict[str, Any]:
    """Everything that /stats shows: all samples, which ``makers`` run, and the ``instances`` of services."""
    stats: dict[str, Any] = {"engine": makers["engine"], "makers": dict(makers)}
    for family in metrics:
        for labels, value in family.read():
            shown = _as_json(value)
            _put(stats, place(family, labels), shown)
            if (family.name, *labels) in ALSO:
                _put(stats, ALSO[family.name, *labels], shown)
    _put(stats, ("upstream", "instances"), instances)
    return stats


def place(family: Family, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that lead to a sample."""
    if family.name in PLACES:
        return (*PLACES[family.name], *labels)
    section, _, rest = family.name.partition("_")
    if rest and family.kind in (MetricKind.COUNTER, MetricKind.GAUGE):
        if section == "processor" and family.labels[:1] == ("pool",):
            return (POOLS.get(labels[0], labels[0]), rest, *labels[1:])
        if section in SECTIONS:
            return (section, rest, *labels)
    return (OTHERS[family.kind], "_".join((family.name, *labels)))


def _put(stats: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *sections, key = path
    for name in sections:
        stats = stats.setdefault(name, {})
    if key in stats:
        raise ValueError(f"/stats has two values for {'.'.join(path)}; give one of the metrics another name")
    stats[key] = value


def _as_json(value: Value) -> object:
    """A number as it is; of a distribution how many there were, their sum, and how many are in each class alone."""
    if not isinstance(value, Distribution):
        return value
    classes = dict(zip((*value.bounds, "more"), value.counts, strict=True))
    return {"count": value.count, "sum": value.sum, "classes": classes}
