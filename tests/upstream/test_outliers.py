"""Who is taken out, for how long, and how it comes back; by scores and times alone."""

from __future__ import annotations

import pytest

from quicgw_fast.upstream.directory import Directory
from quicgw_fast.upstream.outliers import INTERVAL, Outliers, Reason
from quicgw_fast.upstream.score import Score


class Trio:
    """Three instances of one service and a time that the test moves."""

    def __init__(self, count: int = 3) -> None:
        self.directory = Directory(("hello",))
        for port in range(9001, 9001 + count):
            self.directory.add("hello", f"127.0.0.1:{port}")
        self.all = self.directory.instances()
        self.outliers = Outliers(self.directory, 5.0, 60.0)
        self.now = 100.0
        self.outliers.look(self.now)

    def look(self, seconds: float = 0.25) -> list[tuple[int, Reason]]:
        """Look later; return who went, by number, and why."""
        self.now += seconds
        return [(self.all.index(each), reason) for each, reason in self.outliers.look(self.now)]

    def interval(self, *calls: tuple[int, int, float]) -> list[tuple[int, Reason]]:
        """Have an interval pass with as many answered and failed calls of each, that took so long."""
        for instance, (answered, failed, seconds) in zip(self.all, calls, strict=True):
            instance.score.answered += answered
            instance.score.failed += failed
            self.outliers.took(instance, [seconds] * (answered + failed))
        return self.look(INTERVAL)


def fail(score: Score, times: int) -> None:
    for _ in range(times):
        score.failure("UNAVAILABLE")


def test_five_failures_in_a_row_take_out() -> None:
    trio = Trio()
    fail(trio.all[0].score, 4)
    assert trio.look() == []
    fail(trio.all[0].score, 1)
    assert trio.look() == [(0, Reason.IN_A_ROW)]
    out = trio.all[0].ejection
    assert out is not None
    assert (out.until - trio.now, out.reason) == (5.0, "5 calls in a row failed")


@pytest.mark.parametrize("status", ["NOT_FOUND", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "ANSWER_TOO_LARGE"])
def test_what_speaks_against_the_request_does_not_speak_against_the_instance(status: str) -> None:
    score = Score()
    for _ in range(10):
        score.failure(status)
    assert (score.failed, score.signs) == (0, 10)


def test_clients_that_are_in_a_hurry_take_nobody_out() -> None:
    score = Score()
    for _ in range(100):
        score.late(0.05)
    assert score.in_a_row == 0
    score.late(1.5)
    assert score.in_a_row == 1


def test_at_most_half_are_out() -> None:
    trio = Trio(4)
    for instance in trio.all:
        fail(instance.score, 5)
    assert [number for number, _ in trio.look()] == [0, 1]
    assert trio.look() == []
    one = Trio(1)
    fail(one.all[0].score, 50)
    assert one.look() == []


def test_a_larger_share_of_failures_than_the_others() -> None:
    trio = Trio()
    assert trio.interval((20, 20, 0.01), (40, 0, 0.01), (40, 0, 0.01)) == [(0, Reason.FAILING)]


def test_where_all_fail_alike_nobody_is_worse() -> None:
    trio = Trio()
    for _ in range(5):
        assert trio.interval((20, 20, 0.01), (20, 22, 0.01), (25, 20, 0.01)) == []


def test_slow_twice_in_a_row() -> None:
    trio = Trio()
    slow = ((5, 0, 1.0), (50, 0, 0.01), (50, 0, 0.01))
    assert trio.interval(*slow) == []
    assert trio.interval((50, 0, 0.01), (50, 0, 0.01), (50, 0, 0.01)) == []
    assert trio.interval(*slow) == []
    assert trio.interval(*slow) == [(0, Reason.SLOW)]


def test_slower_by_what_nobody_notices_is_not_slow() -> None:
    trio = Trio()
    for _ in range(5):
        assert trio.interval((50, 0, 0.05), (50, 0, 0.001), (50, 0, 0.001)) == []


def test_out_longer_each_time_and_forgiven_after_good_conduct() -> None:
    trio = Trio()
    first = trio.all[0]
    times = []
    for _ in range(15):
        fail(first.score, 5)
        trio.look()
        assert first.ejection is not None
        times.append(first.ejection.until - trio.now)
        trio.now = first.ejection.until
        trio.outliers.put_back(first, trio.now)
    assert times == [5.0 * min(number, 12) for number in range(1, 16)]
    first.score.answered += 1
    trio.look(61.0)
    fail(first.score, 5)
    trio.look()
    assert first.ejection is not None
    assert first.ejection.until - trio.now == 5.0


def test_on_trial_the_first_failure_takes_out_and_the_first_answer_ends_it() -> None:
    trio = Trio()
    first = trio.all[0]
    fail(first.score, 5)
    trio.look()
    trio.outliers.put_back(first, trio.now)
    assert first.on_trial
    for _ in range(20):
        assert trio.look() == []
    assert first.on_trial
    fail(first.score, 1)
    assert trio.look() == [(0, Reason.ON_TRIAL)]
    trio.outliers.put_back(first, trio.now)
    first.score.answered += 1
    assert trio.look() == []
    assert not first.on_trial
    fail(first.score, 1)
    assert trio.look() == []


def test_who_is_silent_returns_as_soon_as_it_answers() -> None:
    trio = Trio()
    assert trio.outliers.eject(trio.all[0], Reason.SILENT, trio.now)
    assert not trio.outliers.eject(trio.all[0], Reason.SLOW, trio.now), "it is out already"
    assert trio.all[0].ejection is not None
    assert trio.all[0].ejection.until == trio.now
