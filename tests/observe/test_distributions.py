"""Classes that become wider with the value: what is told of many values is told to 0.4 %."""

from __future__ import annotations

import random
import statistics

import pytest

from quicgw_fast.observe.distributions import DURATION_BOUNDS, SHORT_BOUNDS, Distribution, Duration, percentiles

SHARES = (0.0, 0.5, 0.95, 0.99, 1.0)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0])
def test_percentiles_are_those_of_the_values_to_half_a_percent(scale: float) -> None:
    values = [scale * random.lognormvariate(0.0, 1.5) for _ in range(5000)]
    duration = Duration()
    for value in values:
        duration.observe(value)
    exact = statistics.quantiles(values, n=100, method="inclusive")
    for share, found in zip(SHARES[1:-1], percentiles(duration.classes, SHARES[1:-1]), strict=True):
        assert found == pytest.approx(exact[round(share * 100) - 1], rel=0.03), "between two neighbours, and 0.4 %"
    assert percentiles(duration.classes, [0.0, 1.0]) == pytest.approx([min(values), max(values)], rel=0.004)
    assert duration.sum == pytest.approx(sum(values))
    assert duration.count == 5000


def test_of_one_value_every_percentile_is_that() -> None:
    duration = Duration()
    duration.observe(0.25)
    assert percentiles(duration.classes, SHARES) == pytest.approx([0.25] * 5, rel=0.004)


def test_where_nothing_was_noted_there_are_zeros() -> None:
    duration = Duration()
    assert (duration.count, duration.sum, percentiles(duration.classes, SHARES)) == (0, 0.0, [0.0] * 5)


def test_nothing_at_all_is_a_value_as_any_other() -> None:
    distribution = Distribution((0.0, 10.0))
    for value in (0, 0, 3, 1000):
        distribution.observe(value)
    assert (distribution.counts, percentiles(distribution.classes, [0.5])) == ([2, 1, 1], [0.0])


@pytest.mark.parametrize("bounds", [DURATION_BOUNDS, SHORT_BOUNDS])
def test_a_value_at_a_bound_is_below_it(bounds: tuple[float, ...]) -> None:
    distribution = Distribution(bounds)
    for bound in bounds:
        distribution.observe(bound)
        distribution.observe(bound * 1.01)
    assert distribution.counts == [1, *[2] * (len(bounds) - 1), 1]


def test_classes_are_few_whatever_comes() -> None:
    distribution = Distribution(DURATION_BOUNDS)
    for _ in range(20_000):
        distribution.observe(random.uniform(1e-6, 1.0))
    assert len(distribution.classes) <= 20 * 128 + 1
