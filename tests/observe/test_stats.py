"""The page of all samples: what is registered shows up by itself."""

from __future__ import annotations

import pytest

from quicgw_fast.observe import Metrics, render_stats
from quicgw_fast.observe.distributions import DURATION_BOUNDS


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


MADE = {"engine": "rust"}


def test_without_any_samples_there_is_the_engine_and_who_serves(metrics: Metrics) -> None:
    instances: list[dict[str, object]] = [{"address": "127.0.0.1:1", "healthy": True}]
    made = {"engine": "rust", "transport": "quinn"}
    assert render_stats(metrics, made, instances) == {
        "engine": "rust", "makers": made, "upstream": {"instances": instances}
    }  # fmt: skip


def test_a_new_metric_shows_up_by_itself(metrics: Metrics) -> None:
    metrics.counter("kittens", "Kittens").value += 3
    metrics.counters("calls_lost", "Calls", ("service", "cause"), [("zone", "late")])["zone", "late"].value += 1
    metrics.gauge("moon", "How full the moon is", lambda: 0.5)
    metrics.gauges("tide", "How high the tide is", "port", ["Emden"], lambda: {"Emden": 2})
    stats = render_stats(metrics, MADE, [])
    assert stats["counters"] == {"kittens": 3, "calls_lost_zone_late": 1}
    assert stats["gauges"] == {"moon": 0.5, "tide_Emden": 2}


def test_one_whose_name_begins_with_a_section_is_in_there(metrics: Metrics) -> None:
    metrics.counter("transport_kittens", "Kittens of the transport")
    metrics.part("pool", "requests").gauge("processor_kittens", "Kittens at work", lambda: 1)
    metrics.part("pool", "logins").gauge("processor_kittens", "Kittens at work", lambda: 2)
    metrics.counter("logins", "Logins")
    stats = render_stats(metrics, MADE, [])
    assert (stats["transport"], stats["processor"]) == ({"kittens": 0}, {"kittens": 1})
    assert (stats["logins"], stats["counters"]) == ({"kittens": 2}, {"logins": 0})


def test_a_processor_that_is_no_known_pool_has_its_place_too(metrics: Metrics) -> None:
    metrics.counter("processor_kittens", "Kittens of no pool").value += 1
    metrics.part("pool", "pushes").gauge("processor_puppies", "Puppies at work", lambda: 2)
    metrics.part("pool", "logins").counters("processor_ends", "How they ended", "end", ["well"])["well"].value += 3
    stats = render_stats(metrics, MADE, [])
    assert stats["counters"] == {"processor_kittens": 1}
    assert stats["pushes"] == {"puppies": 2}
    assert stats["logins"] == {"ends": {"well": 3}}


def test_a_duration_is_shown_with_its_classes(metrics: Metrics) -> None:
    duration = metrics.duration("transport_call", "Calls")
    duration.observe(0.002)
    duration.observe(100.0)
    shown = render_stats(metrics, MADE, [])["durations"]["transport_call"]
    assert (shown["count"], shown["sum"]) == (2, 100.002)
    assert list(shown["classes"]) == [*DURATION_BOUNDS, "more"]
    assert {bound: count for bound, count in shown["classes"].items() if count} == {0.0025: 1, "more": 1}


def test_some_are_where_operators_know_them_and_one_is_in_two_places(metrics: Metrics) -> None:
    refused = metrics.counters("refused", "Refusals", ("moment", "rule"), [("task", "request-memory"), ("push", "x")])
    refused["task", "request-memory"].value += 2
    metrics.gauge("retained", "What is kept", lambda: 7)
    metrics.gauges("sessions", "Sessions", "state", ["NORMAL"], lambda: {"NORMAL": 3})
    metrics.gauge("sessions_detached", "Those without a connection", lambda: 1)
    stats = render_stats(metrics, MADE, [])
    assert stats["retained_bytes"] == 7
    assert stats["sessions"] == {"NORMAL": 3, "detached": 1}
    assert stats["refused"] == {"task": {"request-memory": 2}, "push": {"x": 0}}
    assert stats["request_memory"] == {"refused": 2}


def test_two_metrics_in_one_place_are_a_bug(metrics: Metrics) -> None:
    metrics.counters("calls", "Calls", "service", ["zone"])
    metrics.counter("calls_zone", "Calls of the zones")
    with pytest.raises(ValueError, match=r"two values for counters\.calls_zone; give one of the metrics another name"):
        render_stats(metrics, MADE, [])
