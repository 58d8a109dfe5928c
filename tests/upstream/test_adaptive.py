"""The limit of one instance, fed with how long its calls took."""

from __future__ import annotations

from quicgw_fast.upstream.adaptive import LEAST_SAMPLES, AdaptiveLimit


def feed(limit: AdaptiveLimit, seconds: float, looks: int, peak: int | None = None) -> None:
    for _ in range(looks):
        limit.look([seconds] * LEAST_SAMPLES, int(limit.value) if peak is None else peak)


def test_it_begins_at_its_upper_bound_and_stays_there_while_nothing_changes() -> None:
    limit = AdaptiveLimit(4, 64)
    feed(limit, 0.01, 200)
    assert limit.value == 64


def test_it_shrinks_when_calls_take_longer_and_grows_back() -> None:
    limit = AdaptiveLimit(4, 64)
    feed(limit, 0.05, 100)
    feed(limit, 1.0, 20)
    assert limit.value < 32
    feed(limit, 0.05, 100)
    assert limit.value == 64


def test_never_below_the_lower_bound_nor_that_above_the_upper_one() -> None:
    limit = AdaptiveLimit(10, 64)
    feed(limit, 0.05, 50)
    feed(limit, 30.0, 100)
    assert limit.value >= 10
    assert AdaptiveLimit(10, 4).value == 4
    small = AdaptiveLimit(10, 4)
    feed(small, 0.01, 50)
    feed(small, 30.0, 50)
    assert small.value == 4


def test_a_limit_that_nobody_came_near_shrinks_from_what_was_under_way() -> None:
    limit = AdaptiveLimit(1, 1000)
    feed(limit, 0.05, 50, peak=8)
    assert limit.value == 1000
    feed(limit, 2.0, 1, peak=8)
    assert limit.value <= 17


def test_waiting_that_nobody_notices_changes_nothing() -> None:
    limit = AdaptiveLimit(4, 64)
    feed(limit, 0.001, 100)
    feed(limit, 0.08, 100)
    assert limit.value == 64


def test_what_stays_is_usual_in_the_end() -> None:
    """A service that became slower for good is no full one."""
    limit = AdaptiveLimit(4, 64)
    feed(limit, 0.05, 100)
    feed(limit, 0.5, 30)
    assert limit.value < 64
    feed(limit, 0.5, 600)
    assert limit.value == 64


def test_few_samples_wait_for_more() -> None:
    limit = AdaptiveLimit(4, 64)
    feed(limit, 0.01, 20)
    limit.look([9.0] * (LEAST_SAMPLES - 1), 64)
    assert limit.value == 64
    limit.look([9.0], 64)
    assert limit.value < 64


def test_what_was_learnt_of_a_full_service_is_forgotten_while_it_is_idle() -> None:
    """So that the next burst is met as the first one was."""
    limit = AdaptiveLimit(4, 64)
    feed(limit, 0.05, 50)
    feed(limit, 1.0, 20)
    assert limit.value < 32
    feed(limit, 0.05, 100, peak=2)
    assert limit.value == 64
