"""What ``make bench-metrics`` takes for a write."""

from __future__ import annotations

import pytest

from benches.metrics_cost import Prices, Writes, writes_between, written
from quicgw_fast.observe import Metrics, Unit


def test_writes_are_what_the_registry_grew_by() -> None:
    metrics = Metrics()
    counter, size = metrics.counter("made", "Made"), metrics.counter("sent", "Sent", Unit.BYTES)
    took, now = metrics.duration("took", "Took"), metrics.gauge("there", "There", lambda: 7)
    before = written(metrics)
    assert now is None and ("there",) not in before
    for _ in range(10):
        counter.value += 2
        size.value += 500
        took.observe(0.1)
    assert writes_between(before, written(metrics), 10) == Writes(additions=3, notes=1)


def test_a_note_whose_time_is_needed_anyway_reads_no_clock() -> None:
    prices = Prices(addition=1, note=10, reading=100)
    assert prices.of(Writes(additions=5, notes=3.5)) == pytest.approx(5 + 35 + 150)
