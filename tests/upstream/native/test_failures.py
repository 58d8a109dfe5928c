from __future__ import annotations

import pytest

from quicgw_fast.upstream import UpstreamFailed, UpstreamTimeout, causes
from quicgw_fast.upstream.native import failures


@pytest.mark.parametrize(
    ("failure", "status", "cause", "internal"),
    [
        (failures.StatusFailure(13, "a bug"), "INTERNAL", "it answered with INTERNAL", "a:1: INTERNAL: a bug"),
        (failures.StatusFailure(12, ""), "UNIMPLEMENTED", causes.NO_SERVICE, "a:1: UNIMPLEMENTED: no details"),
        (failures.StatusFailure(0, ""), "UNKNOWN", "it answered with UNKNOWN", "a:1: UNKNOWN: no details"),
        (failures.StatusFailure(-1, ""), "UNKNOWN", "it answered with UNKNOWN", "a:1: UNKNOWN: no details"),
        (failures.ConnectionBroken("reset"), "UNAVAILABLE", causes.BROKE_OFF, "a:1: UNAVAILABLE: reset"),
        (failures.NotConnected(causes.NO_GRPC, "silent"), "UNAVAILABLE", causes.NO_GRPC, "a:1: UNAVAILABLE: silent"),
        (failures.HungUp(), "CANCELLED", causes.HUNG_UP, "a:1: CANCELLED: the gateway hung up"),
    ],
)
def test_a_failure_is_explained(failure: failures.CallFailure, status: str, cause: str, internal: str) -> None:
    explained = failure.explained("a:1", passed=True)
    assert isinstance(explained, UpstreamFailed)
    assert (explained.status, explained.cause, explained.internal) == (status, cause, internal)


def test_only_a_deadline_that_passed_is_a_timeout() -> None:
    of_its_own = failures.StatusFailure(4, "the database")
    assert isinstance(of_its_own.explained("a:1", passed=True), UpstreamTimeout)
    assert isinstance(of_its_own.explained("a:1", passed=False), UpstreamFailed)
