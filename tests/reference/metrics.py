"""The reference of metrics, made of the registry of a gateway that listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.observe.exposition import Exported, exported
from tests.reference.running import running

if TYPE_CHECKING:
    from tests.reference.running import Flags

MOST_VALUES = 12
"""Values of a label that are named."""
OPTIONAL: Final[dict[str, Flags]] = {
    "offline.store": {"offline": {"store": "memory"}},
    "tracing.endpoint": {"tracing": {"endpoint": "127.0.0.1:1"}},
    "cluster.url": {"cluster": {}},
    'cluster.retain = "replicated"': {"cluster": {"retain": "replicated"}},
}
"""Settings with which a gateway has more metrics than without."""
EVERYTHING: Final[Flags] = {name: table for tables in OPTIONAL.values() for name, table in tables.items()}
"""All of them: what a gateway with these exports is all that one can ever export."""
HEAD = """# Metrics

`GET /metrics` on the admin port, in Prometheus' text form or, by the header `Accept`, as OpenMetrics. The sets of
labels are closed: there are never other values than those of the configuration and of this release.
`quicgw_build_info` has the version and what runs as labels, and is always 1. `deploy/observability/` has a dashboard,
alerts and recording rules that read them; [operations](../operations.md#what-the-alerts-mean) says what to do.

A histogram's classes are exact to 1/128 of their bound. Rates and percentiles over time are Prometheus' to compute;
those of the last minutes are on `/performance` and `/latency`.
"""


def page() -> str:
    """The whole page."""
    always = {one.name for one in _exported({})}
    needs: dict[str, str] = {}
    for key, tables in OPTIONAL.items():  # of two settings the first one is enough
        needs |= {one.name: key for one in _exported(tables) if one.name not in always | needs.keys()}
    found = sorted(_exported(EVERYTHING), key=lambda one: one.name)
    rows = ["| metric | type | labels | what it is |", "|---|---|---|---|"]
    for one in found:
        only = f"; only with `{needs[one.name]}`" if one.name in needs else ""
        rows.append(f"| `{one.name}` | {one.type} | {_labels(one)} | {one.help}{only} |")
    return f"{HEAD}\n" + "\n".join(rows) + "\n"


def _exported(tables: Flags) -> list[Exported]:
    with running(tables) as (_, gateway):
        return [exported(family) for family in gateway.metrics]


def _labels(one: Exported) -> str:
    values = [list(dict.fromkeys(key[place] for key in one.keys)) for place in range(len(one.labels))]
    told = []
    for label, known in zip(one.labels, values, strict=True):
        few = len(known) <= MOST_VALUES
        told.append(f"`{label}`: " + (", ".join(f"`{value}`" for value in known) if few else f"{len(known)} values"))
    return "; ".join(told) or "–"
