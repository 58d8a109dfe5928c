from __future__ import annotations

import pytest

from quicgw_fast.cluster.own_claims import OwnClaims


@pytest.mark.parametrize("devices", [1, 2])
def test_who_is_asked_for_a_newer_claim_gives_what_an_older_one_has(devices: int) -> None:
    claims = OwnClaims(devices)
    first, second = claims.ask("alice"), claims.ask("alice")
    assert claims.granted(first, 10, 1, 0.0, (b"a session",)) is not None
    claims.answered(first)
    second.generation = 11  # it has taken the place of the first in the directory, and does not know yet
    alone = devices == 1  # with several devices the two are of different sessions
    assert claims.has_by("alice", 11) is alone
    assert claims.yielded("alice", 11) == ([b"a session"] if alone else [])
    assert len(claims.of("alice")) == (not alone)
    assert claims.granted(second, 11, 1, 0.0) is None


def test_what_another_start_has_asked_for_before_is_given_up_as_well() -> None:
    claims = OwnClaims(1)
    first, later = claims.ask("alice"), claims.ask("alice")
    later.generation = 11
    claims.yielded("alice", 11)
    assert claims.granted(first, 10, 1, 0.0) is None, "its answer came late"
    assert claims.granted(claims.ask("alice"), 10, 1, 0.0) is not None, (
        "one that began afterwards has nothing to do with it"
    )
