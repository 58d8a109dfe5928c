"""Counting within the last second, and spreading out those who come back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.spread import LONGEST, STEP, Spread, SpreadRefusals
from quicgw_fast.overload.window import SLOTS, SlidingWindow


@given(st.lists(st.floats(0.0, 0.6), max_size=80), st.integers(1, 12), st.floats(0, 1e6))
def test_never_more_than_the_bound_within_a_second(gaps: list[float], most: int, start: float) -> None:
    window, now = SlidingWindow(), start
    taken: list[float] = []
    for gap in gaps:
        now += gap
        if window.count(now) < most:
            window.add()
            taken.append(now)
        assert sum(at > now - 1.0 for at in taken) <= most


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=60), st.integers(1, 5), st.floats(0, 1e6))
def test_who_waits_as_told_is_let_through(gaps: list[float], most: int, start: float) -> None:
    window, now = SlidingWindow(), start
    for gap in gaps:
        now += gap
        wait = window.wait(now, most)
        assert (wait == 0.0) == (window.count(now) < most)
        assert wait <= 1.0 + 2.0 / SLOTS
        if wait:
            now += wait
        assert window.count(now) < most
        window.add()


def test_what_is_long_ago_is_forgotten_at_once() -> None:
    window = SlidingWindow(10.0)
    for now in (0.0, 1.0, 5.0):
        window.count(now)
        window.add()
    assert (window.count(9.9), window.count(12.0), window.count(1e9)) == (3, 1, 0)


def test_those_who_are_refused_together_come_back_apart() -> None:
    spread = Spread()
    told = sorted(spread.over(1.0) for _ in range(100))
    assert told[0] >= 1.0
    assert told[-1] <= 2.0 + STEP
    assert max(later - sooner for sooner, later in itertools.pairwise(told)) <= 2 * STEP
    assert all(told.count(one) <= 8 for one in told)


@pytest.mark.parametrize(("wait", "low", "high"), [(0.0, STEP, STEP), (0.001, STEP, STEP), (1e6, LONGEST, LONGEST)])
def test_nobody_comes_back_at_once_or_never(wait: float, low: float, high: float) -> None:
    assert low <= Spread().over(wait) <= high


def test_a_refusal_is_made_once_for_each_time() -> None:
    refusals = SpreadRefusals(ErrorCode.OVERLOADED, "overloaded", "why", "QPS")
    made = [refusals.after(0.5) for _ in range(200)]
    assert len({id(one) for one in made}) == len({one.retry_after for one in made}) <= 12
    assert made[0].error().headers["error-code"] == "QPS"
