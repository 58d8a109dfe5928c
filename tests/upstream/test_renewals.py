"""When the next connection is made: at once, unless none lasts."""

from __future__ import annotations

from quicgw_fast.upstream.renewals import LAST, Renewals


def test_connections_that_do_not_last_are_made_ever_more_rarely() -> None:
    renewals = Renewals()
    pauses = [renewals.over(0.0) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.02, 1.0)
    assert [Renewals.too_often(pause) for pause in pauses[:5]] == [False] * 4 + [True]


def test_one_that_lasts_and_one_that_never_came_about_begin_anew() -> None:
    renewals = Renewals()
    first = renewals.over(0.0)
    for _ in range(9):
        renewals.over(0.0)
    assert renewals.over(LAST) == first
    for _ in range(9):
        renewals.over(0.0)
    renewals.failed()
    assert renewals.over(0.0) == first
    assert [renewals.over(LAST) for _ in range(9)] == [first] * 9
