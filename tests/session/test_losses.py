"""What is lost for an openid is told once, and a gap says what will not come any more."""

from __future__ import annotations

import pytest

from quicgw_fast.codes import ResetReason
from quicgw_fast.session import NO_NOTIFIES, Gap, NotifyCount, UntoldLosses, gap_to_tell


def test_losses_are_told_once() -> None:
    losses = UntoldLosses()
    losses.add("alice", "s1", NotifyCount(2, 3))
    losses.add("alice", "s1", NO_NOTIFIES)
    assert losses.take("bob", "s1") == NO_NOTIFIES
    assert losses.take("alice", "s1") == (2, 3)
    assert losses.take("alice", "s1") == NO_NOTIFIES


def test_what_other_sessions_lost_has_no_number_in_this_ones_history() -> None:
    losses = UntoldLosses()
    losses.add("alice", "s1", NotifyCount(2, 3))
    losses.add("alice", "s2", NotifyCount(5, 7))
    assert losses.take("alice", "s2") == (5, 7 + 2 + 3)


def test_of_too_many_openids_those_who_lost_first_are_not_told() -> None:
    losses = UntoldLosses(remembered=2)
    for openid in ("alice", "bob", "alice", "carol"):
        losses.add(openid, "", NotifyCount(unnumbered=1))
    assert [losses.take(openid, "").total for openid in ("alice", "bob", "carol")] == [0, 1, 1]


@pytest.mark.parametrize("lost", [NO_NOTIFIES, NotifyCount(1, 2)])
def test_a_fresh_start_has_a_gap_only_when_something_is_lost(lost: NotifyCount) -> None:
    gap = gap_to_tell(None, NO_NOTIFIES, lost)
    if not lost.total:
        assert gap is None
        return
    assert gap is not None
    assert (gap.reason, gap.notifies, gap.unnumbered) == (ResetReason.NONE, 3, 3)


def test_where_nobody_knows_what_is_missing_only_what_is_lost_is_told() -> None:
    unknown = Gap(ResetReason.UNKNOWN_SESSION, 8)
    assert gap_to_tell(unknown, NO_NOTIFIES, NO_NOTIFIES) is unknown
    told = gap_to_tell(unknown, NO_NOTIFIES, NotifyCount(1, 1))
    assert told is not None
    assert (told.first, told.notifies, told.unnumbered) == (8, 2, 2)


def test_a_gap_is_without_what_the_store_keeps_and_with_what_it_did_not_take() -> None:
    gap = Gap(ResetReason.EXPIRED, first=5, last=9, responses=1, notifies=6, unnumbered=4)
    told = gap_to_tell(gap, NotifyCount(2, 3), NotifyCount(1, 1))
    assert told is not None
    assert (told.notifies, told.unnumbered, told.responses) == (6 - 5 + 2, 4 - 3 + 1, 1)
    assert gap_to_tell(gap, NotifyCount(9, 9), NO_NOTIFIES) == Gap(
        ResetReason.EXPIRED, first=5, last=9, responses=1, notifies=0, unnumbered=0
    )
