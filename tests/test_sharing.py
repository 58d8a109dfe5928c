"""Who has to go when the shared memory is full: the largest, those that are away first, nobody below the mean."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.sharing import Holding, choose

HOLDINGS = st.lists(st.builds(Holding, st.sampled_from([0, 1, 10, 100, 1000]) | st.integers(0, 2000), st.booleans()))


def test_who_is_away_goes_before_who_holds_more() -> None:
    holdings = {
        "small": Holding(10, False),
        "away": Holding(500, False),
        "here": Holding(900, True),
        "away too": Holding(600, False),
    }
    assert choose(holdings.items(), 1) == ["away too"]
    assert choose(holdings.items(), 600) == ["away too"]
    # "away" is below the mean of 502.5.
    assert choose(holdings.items(), 10_000) == ["away too", "here"]


def test_equals_are_all_at_the_mean() -> None:
    holdings = [(number, Holding(100, True)) for number in range(10)]
    assert choose(holdings, 250) == [0, 1, 2]


def test_nobody_holds_anything() -> None:
    assert choose([("a", Holding(0, False))], 100) == []
    assert choose([], 100) == []


@given(holdings=HOLDINGS, wanted=st.integers(0, 5000))
def test_what_always_holds(holdings: list[Holding], wanted: int) -> None:
    chosen = choose(enumerate(holdings), wanted)
    holders = [holding.memory for holding in holdings if holding.memory]
    taken = [holdings[number] for number in chosen]

    assert len(set(chosen)) == len(chosen)
    assert all(holding.memory * len(holders) >= sum(holders) for holding in taken), "below the mean"
    # No more than is needed: without the last one it would not be enough.
    assert not taken or sum(holding.memory for holding in taken[:-1]) < wanted
    # If it is not enough, all that may go have to.
    if sum(holding.memory for holding in taken) < wanted:
        assert len(taken) == sum(memory * len(holders) >= sum(holders) for memory in holders)
        assert not holders or taken, "the largest is never below the mean"
    # Those that are away first, then the larger ones first.
    order = [(holding.attached, -holding.memory) for holding in taken]
    assert order == sorted(order)
    spared = [holding for number, holding in enumerate(holdings) if number not in chosen and holding.memory]
    eligible = [h for h in spared if h.memory * len(holders) >= sum(holders)]
    for holding in eligible:
        assert all((one.attached, -one.memory) <= (holding.attached, -holding.memory) for one in taken)
