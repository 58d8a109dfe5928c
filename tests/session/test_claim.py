"""Which STARTs come too late."""

from __future__ import annotations

import pytest

from quicgw_fast.session import StartClaim
from quicgw_fast.session.claim import REMEMBERED_EPOCHS, Attempts


def claim(attempt: int, epoch: str = "e") -> StartClaim:
    return StartClaim("alice", 0, "", epoch, attempt)


@pytest.mark.parametrize(("attempt", "late"), [(0, False), (1, True), (4, True), (5, True), (6, False)])
def test_an_attempt_that_is_not_newer_comes_too_late(attempt: int, late: bool) -> None:
    attempts = Attempts()
    attempts.note(claim(5))
    attempts.note(claim(3))
    assert attempts.outdated(claim(attempt)) is late
    assert not attempts.outdated(claim(1, "another epoch"))


def test_clients_that_do_not_count_are_not_compared() -> None:
    attempts = Attempts()
    attempts.note(claim(0))
    attempts.note(StartClaim("alice", attempt=7))
    assert not attempts.outdated(claim(1))


def test_of_many_epochs_the_newest_are_remembered() -> None:
    attempts = Attempts()
    for number in range(REMEMBERED_EPOCHS + 1):
        attempts.note(claim(9, str(number)))
    assert [attempts.outdated(claim(9, str(n))) for n in range(REMEMBERED_EPOCHS + 1)] == [False] + [True] * 4


def test_a_copy_goes_its_own_way() -> None:
    first = Attempts()
    first.note(claim(2))
    second = first.copy()
    second.note(claim(8))
    assert second.outdated(claim(5))
    assert not first.outdated(claim(5))


@pytest.mark.parametrize(("last_acked", "session_id", "fresh"), [(0, "", True), (1, "", False), (0, "id", False)])
def test_a_start_is_fresh_that_asks_for_nothing_old(last_acked: int, session_id: str, fresh: bool) -> None:
    assert StartClaim("alice", last_acked, session_id).fresh is fresh
