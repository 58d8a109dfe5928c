"""How fast a queue becomes shorter, measured while there is one."""

from __future__ import annotations

import pytest

from quicgw_fast.overload.drain_rate import EVIDENCE, SPAN, DrainRate


def drain(rate: DrainRate, begin: float, *, per_second: float, seconds: float) -> float:
    """Have so many leave, a hundred looks a second; the time at the end."""
    for look in range(int(seconds * 100) + 1):
        rate.add(round(per_second / 100), begin + look / 100)
    return begin + seconds


def test_nothing_is_said_before_there_is_evidence() -> None:
    rate = DrainRate()
    assert rate.per_second() is None
    rate.add(50, 100.0)
    rate.add(50, 100.0 + EVIDENCE / 2)
    assert rate.per_second() is None
    rate.add(50, 100.0 + 2 * EVIDENCE)
    assert rate.per_second() is not None


def test_a_steady_rate_is_right_from_the_beginning() -> None:
    rate = DrainRate()
    drain(rate, 100.0, per_second=1000, seconds=0.1)
    assert rate.per_second() == pytest.approx(1000, rel=0.02)
    drain(rate, 100.1, per_second=1000, seconds=5.0)
    assert rate.per_second() == pytest.approx(1000, rel=0.02)


def test_what_was_lately_counts_more() -> None:
    rate = DrainRate()
    now = drain(rate, 100.0, per_second=1000, seconds=5.0)
    now = drain(rate, now, per_second=100, seconds=SPAN)
    assert rate.per_second() == pytest.approx(100 + 900 / 2.718, rel=0.05)
    drain(rate, now, per_second=100, seconds=5 * SPAN)
    assert rate.per_second() == pytest.approx(100, rel=0.1)


def test_a_queue_that_stands_still_has_a_rate_of_nothing() -> None:
    rate = DrainRate()
    now = drain(rate, 100.0, per_second=1000, seconds=1.0)
    rate.add(0, now + 20.0)
    assert rate.per_second() == pytest.approx(0, abs=1e-3)


def test_time_without_a_queue_does_not_count() -> None:
    rate = DrainRate()
    now = drain(rate, 100.0, per_second=1000, seconds=1.0)
    rate.pause()
    drain(rate, now + 3600.0, per_second=1000, seconds=0.1)
    assert rate.per_second() == pytest.approx(1000, rel=0.05)
