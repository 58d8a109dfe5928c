"""How long a queue may become: by the time that it takes to work it off, and by whether it stands."""

from __future__ import annotations

import pytest

from quicgw_fast.overload import StandingQueue
from quicgw_fast.overload.standing import LEAST, LONGEST, ROUNDS

TARGET, INTERVAL = 0.1, 1.0
RATE = 1000


class Case:
    """A queue of which a thousand leave in a second."""

    def __init__(self, workers: int = 8, capacity: int = 10_000) -> None:
        self.queue = StandingQueue(TARGET, INTERVAL, workers, capacity)
        self.now = 100.0

    def wait(self, waiting: int, seconds: float, per_second: int = RATE) -> None:
        """So many wait for so long."""
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            self.queue.drained(per_second // 100, waiting, self.now)


def test_before_anything_is_known_there_is_the_capacity_alone() -> None:
    queue = Case().queue
    assert (queue.crowd, queue.most, queue.standing) == (10_000, 10_000, False)
    assert queue.retry_after(5000) is None


def test_a_burst_has_the_places_that_are_worked_off_in_an_interval() -> None:
    case = Case()
    case.wait(500, 0.5)
    assert not case.queue.standing
    assert case.queue.crowd == case.queue.most == pytest.approx(RATE * INTERVAL, rel=0.05)


def test_a_queue_that_is_too_long_for_a_whole_interval_stands() -> None:
    case = Case()
    case.wait(500, INTERVAL / 2)
    assert not case.queue.standing
    case.wait(500, INTERVAL)
    assert case.queue.standing
    assert case.queue.crowd == pytest.approx(RATE * 2 * TARGET, rel=0.05)
    assert case.queue.most == pytest.approx(RATE * INTERVAL, rel=0.05)


def test_one_short_moment_in_the_interval_is_enough_not_to_stand() -> None:
    case = Case()
    for _ in range(8):
        case.wait(900, INTERVAL * 0.4)
        case.wait(round(RATE * TARGET * 0.9), 0.02)
    assert not case.queue.standing


def test_what_it_may_hold_while_it_stands_keeps_it_standing() -> None:
    case = Case()
    case.wait(500, 2 * INTERVAL)
    case.wait(case.queue.crowd, 5 * INTERVAL)
    assert case.queue.standing
    case.wait(round(RATE * TARGET * 0.9), 2 * INTERVAL)
    assert not case.queue.standing


def test_an_empty_queue_does_not_stand() -> None:
    case = Case()
    case.wait(500, 2 * INTERVAL)
    case.queue.emptied()
    assert not case.queue.standing
    assert case.queue.crowd == case.queue.most
    case.now += 3600.0
    case.wait(500, INTERVAL / 2)
    assert not case.queue.standing


@pytest.mark.parametrize(("workers", "least"), [(1, LEAST), (8, LEAST), (200, ROUNDS * 200)])
def test_slow_services_have_some_places_nevertheless(workers: int, least: int) -> None:
    case = Case(workers)
    case.wait(5000, 3 * INTERVAL, per_second=0)
    assert case.queue.standing
    assert (case.queue.crowd, case.queue.most) == (least, least)


def test_there_are_never_more_places_than_the_capacity() -> None:
    case = Case(capacity=10)
    case.wait(10, 3 * INTERVAL)
    assert (case.queue.crowd, case.queue.most) == (10, 10)


def test_whoever_comes_too_early_is_told_when_all_that_waits_is_worked_off() -> None:
    case = Case()
    case.wait(500, INTERVAL / 2)
    assert case.queue.retry_after(500) == pytest.approx(0.5, abs=0.02)
    assert case.queue.retry_after(0) == pytest.approx(0.01)
    case.wait(500, 20.0, per_second=0)
    assert case.queue.retry_after(500) == LONGEST
