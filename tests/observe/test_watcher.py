"""What was going on in the last minutes: rows and columns in their rhythm, of what the registry counts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from quicgw_fast.observe import Metrics, Watcher
from quicgw_fast.observe.latency import COLUMNS
from quicgw_fast.observe.performance import COUNTED, ROWS
from tests.support.clock import Clock


class Watched:
    """A registry with what the pages read of it, and time that the test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = metrics = Metrics()
        self.counters = {name: metrics.counter(name, "Counted") for name in set(COUNTED.values()) - {"refused"}}
        self.refused = metrics.counters("refused", "Refused", "rule", ["one", "two"])
        self.queue = 0
        requests = metrics.part("pool", "requests")
        requests.gauge("processor_queue_length", "Wait", lambda: self.queue)
        for name in ("processor_max_queue_size", "processor_max_workers", "processor_busy_workers"):
            requests.gauge(name, "Of the queue", lambda: 7)
        metrics.gauges("sessions", "Live", "state", ["INITED", "NORMAL"], lambda: {"INITED": 1, "NORMAL": 4})
        metrics.gauge("sessions_detached", "Away", lambda: 2)
        metrics.gauge("memory_used", "Bytes", lambda: 1000)
        self.took = metrics.duration("request_time", "All")
        self.waited = metrics.durations("queue_wait", "Waits", "pool", ["requests", "logins"])
        self.watcher = Watcher(metrics, self.clock.face)
        self.watcher.start()

    @property
    def performance(self) -> Any:
        return self.watcher.performance()

    @property
    def latency(self) -> Any:
        return self.watcher.latency()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_row_a_second_has_rates_per_second(watched: Watched) -> None:
    watched.clock.advance(1.05)
    watched.counters["requests"].value += 30
    watched.refused["one"].value += 1
    watched.refused["two"].value += 2
    watched.clock.advance(1.0)
    watched.clock.advance(1.0)
    rows = watched.performance["history"]
    assert [rate for row in rows if (rate := row["requests"])] == [pytest.approx(30.0, rel=0.1)]
    assert sum(row["refused"] for row in rows) == pytest.approx(3.0, rel=0.1)
    assert [later["at"] - sooner["at"] for sooner, later in itertools.pairwise(rows)] == pytest.approx(
        [1.0] * (len(rows) - 1), abs=0.15
    )


def test_totals_are_those_of_the_registry(watched: Watched) -> None:
    for place, counter in enumerate(watched.counters.values()):
        counter.value += place
    watched.refused["two"].value += 5
    shown = watched.performance
    assert shown["totals"] == {name: sum(watched.metrics.numbers(family)) for name, family in COUNTED.items()}
    assert shown["sessions"] == {"attached": 3, "detached": 2}
    assert shown["queue"] == {"length": 0, "capacity": 7, "workers": 7, "busy": 7}
    assert shown["at"] == watched.clock.wall


def test_the_rows_are_bounded_and_the_newest_last(watched: Watched) -> None:
    watched.clock.advance(ROWS + 20.0)
    rows = watched.performance["history"]
    assert len(rows) == ROWS
    assert rows[-1]["at"] == pytest.approx(watched.clock.wall, abs=1.1)


def test_a_loop_that_stands_still_shows_as_the_worst_lag_of_its_second(watched: Watched) -> None:
    watched.clock.advance(3.0)
    watched.clock.now += 0.4  # nothing is called meanwhile
    watched.clock.advance(2.0)
    shown = watched.performance
    assert max(row["loop_lag"] for row in shown["history"]) == pytest.approx(0.4, abs=0.11)
    assert shown["history"][-1]["loop_lag"] < 0.01
    ((_, lag),) = watched.metrics.distributions("loop_lag")
    assert lag.count == pytest.approx(50, abs=5)


def test_after_a_long_pause_there_is_one_row_for_all_of_it(watched: Watched) -> None:
    watched.clock.advance(2.0)
    before = len(watched.performance["history"])
    watched.counters["requests"].value += 100
    watched.clock.now += 100.0
    watched.clock.advance(1.0)
    rows = watched.performance["history"][before:]
    assert len(rows) <= 2
    assert max(row["requests"] for row in rows) == pytest.approx(1.0, rel=0.05)


def test_a_row_that_cannot_be_made_does_not_end_it(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    watched.metrics.gauge("uptime", "Since", lambda: 1.0)
    del watched.queue
    watched.clock.advance(2.0)
    assert "watcher failed" in caplog.text
    watched.queue = 3
    watched.clock.advance(3.0)
    assert watched.performance["history"][-1]["queue"] == 3


def test_nothing_is_looked_at_after_the_stop(watched: Watched) -> None:
    watched.clock.advance(3.0)
    watched.watcher.stop()
    rows = watched.performance["history"]
    watched.clock.advance(5.0)
    assert len(watched.performance["history"]) == len(rows)


# Latency


def test_a_stage_has_its_percentiles_since_the_start_and_of_the_last_minute(watched: Watched) -> None:
    for _ in range(100):
        watched.took.observe(0.010)
    watched.clock.advance(90.0)
    for _ in range(100):
        watched.took.observe(0.100)
    watched.clock.advance(10.0)
    total = watched.latency["stages"]["total"]
    assert (total["count"], total["recent"]["count"]) == (200, 100)
    assert total["mean"] == pytest.approx(0.055)
    assert (total["p50"], total["p99"]) == (pytest.approx(0.010, rel=0.004), pytest.approx(0.1, rel=0.004))
    assert (total["recent"]["mean"], total["recent"]["p50"]) == (pytest.approx(0.1), pytest.approx(0.1, rel=0.004))


def test_a_stage_may_be_several_samples_and_one_that_is_not_measured_is_empty(watched: Watched) -> None:
    watched.waited["requests"].observe(0.2)
    watched.waited["logins"].observe(0.4)
    stages = watched.latency["stages"]
    assert (stages["queue"]["count"], stages["queue"]["mean"]) == (2, pytest.approx(0.3))
    assert stages["upstream"] == {
        "count": 0, "mean": 0.0, "p50": 0.0, "p95": 0.0, "p99": 0.0,
        "recent": {"count": 0, "mean": 0.0, "p50": 0.0, "p95": 0.0, "p99": 0.0},
    }  # fmt: skip


def test_a_column_each_five_seconds_has_what_came_in_them(watched: Watched) -> None:
    watched.clock.advance(1.0)
    watched.took.observe(0.0002)
    watched.took.observe(0.0007)
    watched.clock.advance(6.0)
    watched.took.observe(100.0)
    watched.clock.advance(10.0)
    shown = watched.latency
    bounds, columns = shown["bounds"], [column["counts"] for column in shown["history"]]
    assert {len(column) for column in columns} == {len(bounds) + 1}
    together = [sum(column) for column in zip(*columns, strict=True)]
    assert together == [
        1 if place in (bounds.index(0.00025), bounds.index(0.001), len(bounds)) else 0 for place in range(len(together))
    ]
    watched.clock.advance(5.0 * COLUMNS + 50)
    history = watched.latency["history"]
    assert len(history) == COLUMNS
    assert history[-1]["at"] - history[0]["at"] == pytest.approx(5.0 * (COLUMNS - 1), rel=0.03)
