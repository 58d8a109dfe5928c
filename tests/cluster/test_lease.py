"""What a node may still do, moment by moment."""

from __future__ import annotations

import pytest

from quicgw_fast.cluster.lease import DRIFT, NodeStanding, OwnLease, Promises, Vouched

SURELY = 10.0 * (1 - DRIFT)


@pytest.fixture
def lease() -> OwnLease:
    """One of ten seconds, taken at 100 and answered at 101."""
    lease = OwnLease(10.0)
    assert lease.renewed(100.0, 101.0, "e1", was_there=False)
    return lease


def test_it_holds_from_before_it_was_asked_for_and_a_little_less_long(lease: OwnLease) -> None:
    assert lease.standing(100.0 + SURELY - 0.001) is NodeStanding.HELD
    assert lease.standing(100.0 + SURELY) is NodeStanding.SUSPENDED


def test_a_renewal_in_time_goes_on_with_the_term(lease: OwnLease) -> None:
    assert not lease.renewed(103.0, 103.1, "e1", was_there=True)
    assert lease.term == 1
    assert lease.good(1, 112.0)


@pytest.mark.parametrize(("now", "era", "was_there"), [(120.0, "e1", True), (103.1, "e1", False), (103.1, "e2", False)])
def test_a_gap_or_another_life_of_the_data_begins_a_term(
    lease: OwnLease, now: float, era: str, *, was_there: bool
) -> None:
    assert lease.renewed(now - 0.1, now, era, was_there=was_there)
    assert lease.term == 2
    assert lease.good(2, now)
    assert lease.era_since == (1 if era == "e1" else 2)


def test_claims_of_the_term_before_are_good_for_as_long_as_they_were(lease: OwnLease) -> None:
    lease.renewed(103.0, 103.1, "e2", was_there=False)
    assert lease.good(1, 100.0 + SURELY - 0.001)
    assert not lease.good(1, 100.0 + SURELY)
    assert lease.continued(1)


def test_what_was_not_good_when_a_term_began_never_is_again(lease: OwnLease) -> None:
    lease.renewed(120.0, 120.1, "e1", was_there=False)
    assert not lease.good(1, 120.1)
    assert not lease.continued(1)


@pytest.mark.parametrize(
    ("answers", "goes_on"),
    [
        ([], False),
        ([Vouched.PROMISED], True),
        ([Vouched.PROMISED, Vouched.REFUSED], False),
        ([Vouched.REFUSED, Vouched.RENEWED], True),
    ],
)
def test_others_vouch(lease: OwnLease, answers: list[Vouched], *, goes_on: bool) -> None:
    assert lease.vouched(108.0, 108.1, answers) is goes_on
    assert lease.standing(110.0) is (NodeStanding.VOUCHED if goes_on else NodeStanding.SUSPENDED)
    assert lease.standing(108.0 + SURELY) is NodeStanding.SUSPENDED


def test_nobody_vouches_for_what_was_before(lease: OwnLease) -> None:
    assert not lease.vouched(108.0, 100.0 + SURELY, [Vouched.PROMISED])
    assert lease.standing(110.0) is NodeStanding.SUSPENDED


def test_a_promise_spares_a_node_and_closes_later_lives_of_the_data(lease: OwnLease) -> None:
    promises = Promises(10.0, joined=0.0)
    assert promises.vouch("b.1", "e1", lease, 200.0)
    assert promises.spares("b.1", 209.9)
    assert not promises.spares("b.1", 210.0)
    assert promises.closed("e1", 205.0) == 0
    assert promises.closed("e2", 205.0) == 5.0
    promises.tend(210.0)
    assert promises.closed("e2", 205.0) == 0


def test_nobody_vouches_for_another_life_of_the_data(lease: OwnLease) -> None:
    promises = Promises(10.0, joined=0.0)
    assert not promises.vouch("b.1", "e0", lease, 200.0)
    assert not promises.vouch("b.1", "", OwnLease(10.0), 200.0)


def test_who_has_just_joined_counts_nobody_as_dead() -> None:
    promises = Promises(10.0)
    assert promises.spares("b.1", 1e9), "not even before"
    promises.joined = 100.0
    assert promises.spares("b.1", 109.9)
    assert not promises.spares("b.1", 110.0)
