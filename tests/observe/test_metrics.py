"""The registry: names once, closed labels, samples that any page can be made of."""

from __future__ import annotations

import pytest

from quicgw_fast.observe import Counter, Metrics, Unit
from quicgw_fast.observe.distributions import DURATION_BOUNDS, Duration
from quicgw_fast.observe.metrics import MetricKind, Sample


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def read(metrics: Metrics) -> dict[tuple[str, ...], object]:
    """The samples of the one family that there is."""
    (family,) = metrics
    samples = list(family.read())
    assert family.keys == [sample.labels for sample in samples]
    return dict(samples)


def test_a_counter_begins_at_zero_and_grows(metrics: Metrics) -> None:
    counter = metrics.counter("requests", "Requests")
    assert metrics.count("requests") == 0
    counter.value += 1
    counter.value += 3
    assert metrics.count("requests") == 4


def test_what_was_read_stays_as_it_was(metrics: Metrics) -> None:
    counter = metrics.counter("starts", "Starts")
    before = read(metrics)
    counter.value += 1
    assert before == {(): 0}


@pytest.mark.parametrize("kind", ["counter", "counters", "total", "gauge", "gauges", "duration"])
@pytest.mark.parametrize("help", ["Requests", "Others"])
def test_a_sample_is_registered_once(metrics: Metrics, kind: str, help: str) -> None:
    metrics.counter("requests", "Requests")
    with pytest.raises(ValueError, match="requests is registered twice"):
        match kind:
            case "counters":
                metrics.counters("requests", help, "code", ["400"])
            case "total":
                metrics.total("requests", help, lambda: 1)
            case "gauge":
                metrics.gauge("requests", help, lambda: 1.0)
            case "gauges":
                metrics.gauges("requests", help, "code", ["400"], lambda: {"400": 1.0})
            case _:
                getattr(metrics, kind)("requests", help)
    assert [family.help for family in metrics] == ["Requests"]
    assert read(metrics) == {(): 0}


@pytest.mark.parametrize("name", ["", "Requests", "9lives", "in-flight", "a b", "größe"])
def test_a_name_is_one_that_any_page_can_show(metrics: Metrics, name: str) -> None:
    with pytest.raises(ValueError, match="is not a name; write small letters"):
        metrics.counter(name, "Requests")
    with pytest.raises(ValueError, match="is not a name; write small letters"):
        metrics.counters("requests", "Requests", name, ["a"])
    with pytest.raises(ValueError, match="is not a name; write small letters"):
        metrics.part(name, "a").counter("requests", "Requests")
    assert not list(metrics)


@pytest.mark.parametrize("name", ["requests_total", "memory_bytes", "wait_seconds"])
def test_kind_and_unit_are_not_in_the_name(metrics: Metrics, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: leave out '{name.rpartition('_')[2]}'"):
        metrics.counter(name, "Requests")


def test_every_family_says_what_it_counts(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="requests has no help"):
        metrics.counter("requests", " ")


def test_a_name_that_nobody_registered_is_a_bug(metrics: Metrics) -> None:
    metrics.counters("errors", "Errors", "code", ["400"])
    metrics.duration("call", "Calls")
    for name, labels in (("nonsense", ()), ("errors", ()), ("errors", ("418",)), ("call", ())):
        with pytest.raises(KeyError):
            metrics.count(name, *labels)


def test_the_values_of_a_label_are_closed(metrics: Metrics) -> None:
    codes = metrics.counters("errors", "Errors by code", "code", ["400", "503"])
    codes["503"].value += 2
    with pytest.raises(KeyError):
        codes["418"]
    assert read(metrics) == {("400",): 0, ("503",): 2}
    assert metrics.count("errors", "503") == 2
    (family,) = metrics
    assert family.labels == ("code",)
    assert list(family.read()) == [Sample(("400",), 0), Sample(("503",), 2)]


def test_there_may_be_several_labels_and_not_all_pairs_of_their_values(metrics: Metrics) -> None:
    pairs = [("replies", "lost"), ("notifies", "lost"), ("notifies", "stored")]
    made = metrics.counters("messages", "Messages", ("kind", "fate"), pairs)
    made["notifies", "stored"].value += 1
    assert read(metrics) == {("replies", "lost"): 0, ("notifies", "lost"): 0, ("notifies", "stored"): 1}
    with pytest.raises(ValueError, match="does not have a value for each of"):
        metrics.counters("others", "Others", ("kind", "fate"), [("replies",)])


def test_no_value_of_a_label_is_there_twice(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="errors 400 is registered twice"):
        metrics.counters("errors", "Errors by code", "code", ["400", "503", "400"])
    assert not list(metrics)


def test_several_parts_have_a_family_together(metrics: Metrics) -> None:
    """They say the same of it, and each has samples of its own."""
    for pool in ("requests", "logins"):
        metrics.part("pool", pool).counters("tasks", "Tasks", "fate", ["done", "late"])
    assert list(read(metrics)) == [
        ("requests", "done"),
        ("requests", "late"),
        ("logins", "done"),
        ("logins", "late"),
    ]
    (family,) = metrics
    assert family.labels == ("pool", "fate")
    with pytest.raises(ValueError, match="tasks logins late is registered twice"):
        metrics.part("pool", "logins").counters("tasks", "Tasks", "fate", ["late"])
    with pytest.raises(ValueError, match="tasks is registered twice, and not as the same: 'Tasks' and 'Others'"):
        metrics.part("pool", "pushes").counters("tasks", "Others", "fate", ["done"])


def test_a_gauge_is_read_when_somebody_looks(metrics: Metrics) -> None:
    queue: list[int] = []
    metrics.gauge("queue_length", "Tasks that wait", lambda: len(queue))
    assert read(metrics) == {(): 0}
    queue.append(1)
    assert read(metrics) == {(): 1}
    (family,) = metrics
    assert (family.kind, family.unit) == (MetricKind.GAUGE, Unit.COUNT)


def test_gauges_with_a_label_are_read_at_once(metrics: Metrics) -> None:
    reads = []

    def now() -> dict[str, float]:
        reads.append(1)
        return {"open": 2, "closed": 1, "nobody asks for": 5}

    metrics.gauges("sessions", "Sessions", "state", ["closed", "open"], now, Unit.COUNT)
    assert read(metrics) == {("closed",): 1, ("open",): 2}
    assert len(reads) == 1


def test_a_counter_that_somebody_keeps_already_is_read(metrics: Metrics) -> None:
    numbers = [1, 2, 3]
    metrics.total("seen", "Numbers", lambda: sum(numbers), Unit.BYTES)
    assert read(metrics) == {(): 6}
    (family,) = metrics
    assert (family.kind, family.unit) == (MetricKind.COUNTER, Unit.BYTES)


def test_durations_are_sorted_in_every_round_whoever_looks(metrics: Metrics) -> None:
    part = metrics.part("moment", "start")
    noted = [metrics.duration("call", "Calls"), part.duration("wait", "Waits")]
    for duration in noted:
        duration.observe(0.2)
    metrics.tend(0.0)
    assert [duration._unsorted for duration in noted] == [[], []]
    assert [sum(duration.counts) for duration in noted] == [1, 1]


def test_a_duration_has_its_classes_from_the_start(metrics: Metrics) -> None:
    duration = metrics.duration("call", "Calls")
    for seconds in (0.0005, 0.001, 0.2, 1000.0):
        duration.observe(seconds)
    assert sum(duration.counts) == 4
    assert duration.counts[0] == 2
    assert duration.counts[DURATION_BOUNDS.index(0.25)] == 1
    assert duration.counts[-1] == 1
    assert duration.sum == pytest.approx(1000.2015)
    (family,) = metrics
    ((labels, value),) = family.read()
    assert (labels, family.unit) == ((), Unit.SECONDS)
    assert isinstance(value, Duration)


def test_counting_is_no_call() -> None:
    assert Counter.__slots__ == ("value",)
