"""The registry: names once, closed labels, samples that any page can be made of."""

from __future__ import annotations

import re

import pytest

from quicgw_fast import backend
from quicgw_fast import config as configs
from quicgw_fast.auth import NoAuth
from quicgw_fast.clock import SystemClock
from quicgw_fast.flow.assembly import assemble
from quicgw_fast.observe import Counter, Metrics
from quicgw_fast.observe.metrics import DURATION_BOUNDS, Duration, MetricKind, Sample, Unit
from quicgw_fast.placement.here import Here
from tests.flow.ends import Upstream

PROMETHEUS_NAME = re.compile(r"[a-z][a-z0-9_]*")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_a_counter_begins_at_zero_and_grows(metrics: Metrics) -> None:
    counter = metrics.counter("requests", "Requests")
    assert metrics.count("requests") == 0
    counter.value += 1
    counter.value += 3
    assert metrics.count("requests") == 4
    assert metrics.counters_now() == {"requests": 4}


def test_what_was_read_stays_as_it_was(metrics: Metrics) -> None:
    counter = metrics.counter("starts", "Starts")
    before = metrics.counters_now()
    counter.value += 1
    assert before == {"starts": 0}


@pytest.mark.parametrize("kind", ["counter", "counters", "gauge", "duration"])
def test_a_name_is_registered_once(metrics: Metrics, kind: str) -> None:
    metrics.counter("requests", "Requests")
    with pytest.raises(ValueError, match="requests is registered twice"):
        match kind:
            case "counter":
                metrics.counter("requests", "Others")
            case "counters":
                metrics.counters("requests", "Others", "code", ["400"])
            case "gauge":
                metrics.gauge("requests", "Others", lambda: 1.0)
            case _:
                metrics.duration("requests", "Others")
    assert [family.help for family in metrics] == ["Requests"]


def test_a_name_that_nobody_registered_is_a_bug(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.count("nonsense")


def test_the_values_of_a_label_are_closed(metrics: Metrics) -> None:
    codes = metrics.counters("errors", "Errors by code", "code", ["400", "503"])
    codes["503"].value += 2
    with pytest.raises(KeyError):
        codes["418"]
    (family,) = metrics
    assert (family.label, family.values) == ("code", ("400", "503"))
    assert list(family.read()) == [Sample("400", 0), Sample("503", 2)]


def test_a_gauge_is_read_when_somebody_looks(metrics: Metrics) -> None:
    queue: list[int] = []
    metrics.gauge("queue_length", "Tasks that wait", lambda: len(queue))
    (family,) = metrics
    assert list(family.read()) == [Sample("", 0)]
    queue.append(1)
    assert list(family.read()) == [Sample("", 1)]
    assert (family.kind, family.unit) == (MetricKind.GAUGE, Unit.EVENTS)


def test_a_duration_has_its_classes_from_the_start(metrics: Metrics) -> None:
    duration = metrics.duration("call_seconds", "Calls")
    for seconds in (0.0005, 0.001, 0.2, 1000.0):
        duration.observe(seconds)
    assert sum(duration.counts) == 4
    assert duration.counts[0] == 2
    assert duration.counts[DURATION_BOUNDS.index(0.25)] == 1
    assert duration.counts[-1] == 1
    assert duration.sum == pytest.approx(1000.2015)
    (family,) = metrics
    ((label, value),) = family.read()
    assert (label, family.unit) == ("", Unit.SECONDS)
    assert isinstance(value, Duration)


def test_all_that_the_path_registers_can_be_shown_anywhere() -> None:
    """Names, texts and labels are such that the samples suffice for a page of Prometheus."""
    metrics = Metrics()
    assemble(
        configs.read(),
        backend,
        SystemClock(),
        metrics,
        NoAuth(),
        None,
        Here(),
        call=Upstream(),
        logins_at_once=1,
    )
    families = list(metrics)
    assert len(families) > 30
    for family in families:
        assert PROMETHEUS_NAME.fullmatch(family.name), family.name
        assert len(family.help) > 10, family.name
        assert {sample.label for sample in family.read()} == set(family.values or ("",)), family.name


def test_counting_is_no_call() -> None:
    assert Counter.__slots__ == ("value",)
