"""``/metrics``: the samples of the registry in Prometheus' text form, or as OpenMetrics if that is asked for.

Nothing is counted here, and a new metric shows up by itself. Its name is made of the family's: ``quicgw_`` before it,
its unit and, of a counter, ``_total`` behind it. What the system tells of the process has the names that all programs
give it, without the prefix. This is the one module that knows prometheus_client.
"""

from __future__ import annotations

import asyncio
import platform
import time
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from quicgw_fast.observe.distributions import Distribution
from quicgw_fast.observe.metrics import MetricKind, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client.core import Metric

    from quicgw_fast.observe.metrics import Family, Metrics

PREFIX: Final = "quicgw_"
PROCESS: Final = "process_"
"""How the families begin that keep their names."""
OTHER_NAMES: Final = {
    "memory_used": "process_resident_memory",
    "certificate_expires": "certificate_expires_timestamp",
    "config_read": "config_read_timestamp",
}
"""What others call it: of the process, and points in time, which are not how long something takes."""
SLICE: Final = 0.002
"""Seconds that are spent on reading before the loop has its turn."""
UNITS: Final = {Unit.BYTES: "bytes", Unit.SECONDS: "seconds"}
"""Those that are in the name; of the others the name says what is counted."""


class Exported(NamedTuple):
    """A family as it is exported."""

    name: str
    """Complete, with the unit and ``_total``."""
    type: str
    """As Prometheus calls it."""
    help: str
    labels: tuple[str, ...]
    keys: list[tuple[str, ...]]
    """All values that the labels can have."""


def exported(family: Family) -> Exported:
    """Tell under which name and as what a family is exported."""
    name = OTHER_NAMES.get(family.name, family.name)
    name = name if name.startswith(PROCESS) else PREFIX + name
    if family.unit in UNITS:
        name += f"_{UNITS[family.unit]}"
    match family.kind:
        case MetricKind.COUNTER:
            return Exported(f"{name}_total", "counter", family.help, family.labels, family.keys)
        case MetricKind.GAUGE:
            return Exported(name, "gauge", family.help, family.labels, family.keys)
        case _:
            return Exported(name, "histogram", family.help, family.labels, family.keys)


class Exposition:
    """Renders the registry; ``makers`` are what ``quicgw_build_info`` tells beside the version."""

    def __init__(self, metrics: Metrics, makers: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._build = {"version": version("quicgw-fast"), "python": platform.python_version(), **makers}

    async def render(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its media type, in the form that the header ``accept`` prefers.

        With many sessions some sums take milliseconds: others have their turn between the families, and the text is
        written in a thread.
        """
        read: list[Metric] = [
            InfoMetricFamily("quicgw_build", "Which release runs, and what it is made of", self._build)
        ]
        until = time.monotonic() + SLICE
        for family in list(self._metrics):
            read.append(_MAKE[family.kind](family, exported(family)))
            if time.monotonic() >= until:
                await asyncio.sleep(0)
                until = time.monotonic() + SLICE
        encode, media = choose_encoder(accept)
        return await asyncio.to_thread(encode, _Read(read)), media


class _Read(NamedTuple):
    """Families as they were read, in the form in which prometheus_client takes them."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


def _counter(family: Family, about: Exported) -> Metric:
    made = CounterMetricFamily(about.name, about.help, labels=about.labels, unit=UNITS.get(family.unit, ""))
    for labels, value in family.read():
        made.add_metric(labels, _number(value))
    return made


def _gauge(family: Family, about: Exported) -> Metric:
    made = GaugeMetricFamily(about.name, about.help, labels=about.labels, unit=UNITS.get(family.unit, ""))
    for labels, value in family.read():
        made.add_metric(labels, _number(value))
    return made


def _histogram(family: Family, about: Exported) -> Metric:
    made = HistogramMetricFamily(about.name, about.help, labels=about.labels, unit=UNITS.get(family.unit, ""))
    for labels, value in family.read():
        assert isinstance(value, Distribution)
        bounds = [*map(floatToGoString, value.bounds), "+Inf"]
        made.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.sum)
    return made


def _number(value: float | Distribution) -> float:
    assert not isinstance(value, Distribution)
    return float(value)


_MAKE: Final[Mapping[MetricKind, Callable[[Family, Exported], Metric]]] = {
    MetricKind.COUNTER: _counter,
    MetricKind.GAUGE: _gauge,
    MetricKind.DURATION: _histogram,
    MetricKind.DISTRIBUTION: _histogram,
}
