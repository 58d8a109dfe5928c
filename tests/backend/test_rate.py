"""A rate with a burst."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast import backend
from tests.conftest import ENGINES

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import Engine


def test_bucket_grants_its_burst_and_then_its_rate(engine: Engine) -> None:
    bucket = engine.TokenBucket(rate=10.0, burst=3)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.05) == pytest.approx(0.05)
    assert bucket.take(100.1) == 0.0
    assert bucket.take(100.1) == pytest.approx(0.1)


def test_bucket_takes_nothing_when_it_refuses(engine: Engine) -> None:
    bucket = engine.TokenBucket(rate=1.0, burst=1)
    assert bucket.take(0.0) == 0.0
    for _ in range(100):
        assert bucket.take(0.5) == pytest.approx(0.5)
    assert bucket.take(1.0) == 0.0


def test_bucket_fills_to_its_burst_and_no_further(engine: Engine) -> None:
    bucket = engine.TokenBucket(rate=10.0, burst=2)
    bucket.take(0.0)
    assert [bucket.take(1e6) == 0.0 for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (math.inf, 1), (1.0, 0)])
def test_bucket_refuses_limits_without_a_meaning(engine: Engine, rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="bucket"):
        engine.TokenBucket(rate, burst)


@pytest.mark.parametrize("maker", ENGINES)
@given(
    rate=st.floats(0.01, 10_000),
    burst=st.integers(1, 50),
    start=st.floats(0, 1e7),
    gaps=st.lists(st.floats(0, 2), max_size=60),
)
def test_who_waits_as_told_is_served_and_no_one_gets_more_than_the_rate(
    maker: str, rate: float, burst: int, start: float, gaps: list[float]
) -> None:
    bucket, now = backend.load(maker).TokenBucket(rate, burst), start
    for granted, gap in enumerate(gaps, 1):
        now += gap
        wait = bucket.take(now)
        if wait:
            now += wait
            assert bucket.take(now) == 0.0
        assert granted <= burst + (now - start) * rate + 0.1


def test_waiting_as_told_is_enough_in_spite_of_rounding(engine: Engine) -> None:
    for step in range(2000):
        now = step * 0.0137
        bucket = engine.TokenBucket(rate=7.3, burst=5)
        while not (wait := bucket.take(now)):
            pass
        assert bucket.take(now + wait) == 0.0


def test_a_rate_is_that_of_all_its_buckets_also_of_those_that_are_there(engine: Engine) -> None:
    rate = engine.Rate(rate=1.0, burst=2)
    there, full = rate.bucket(), rate.bucket()
    assert [there.take(0.0) for _ in range(2)] == [0.0, 0.0]
    assert there.wait(0.0) == pytest.approx(1.0)
    rate.configure(10.0, 5)
    assert there.wait(0.0) == pytest.approx(0.1), "empty it was, and waits for one token at the new rate"
    assert [there.take(0.15) == 0.0 for _ in range(2)] == [True, False]
    assert [full.take(0.0) == 0.0 for _ in range(6)] == [True] * 5 + [False]
    rate.configure(1.0, 1)
    assert there.wait(0.15) == pytest.approx(0.45), "what it owes is not more than the new rate makes of it"
    assert rate.bucket().take(0.0) == 0.0


def test_a_lower_rate_counts_at_once(engine: Engine) -> None:
    rate = engine.Rate(rate=100.0, burst=200)
    bucket = rate.bucket()
    rate.configure(1.0, 3)
    assert [bucket.take(0.0) == 0.0 for _ in range(4)] == [True] * 3 + [False]
    assert bucket.wait(0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("per_second", "burst"), [(0.0, 1), (math.nan, 1), (1.0, 0)])
def test_a_rate_without_a_meaning_changes_nothing(engine: Engine, per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="bucket"):
        engine.Rate(per_second, burst)
    rate = engine.Rate(10.0, 1)
    with pytest.raises(ValueError, match="bucket"):
        rate.configure(per_second, burst)
    bucket = rate.bucket()
    bucket.take(0.0)
    assert bucket.wait(0.0) == pytest.approx(0.1)
