from __future__ import annotations

from quicgw_fast.overload import FloodGuard
from quicgw_fast.overload.flood import GRACE, PATIENCE

GUARD = ((100.0, 400), (100.0, 200))


def test_control_messages_have_a_burst_and_a_rate() -> None:
    guard = FloodGuard(*GUARD)
    assert sum(guard.control(0.0) for _ in range(1000)) == 400
    assert sum(guard.control(1.0) for _ in range(1000)) == 100
    assert guard.request(1.0), "requests have a rate of their own"


def test_requests_may_be_far_more_than_are_answered() -> None:
    guard = FloodGuard(*GUARD)
    allowed = int(PATIENCE * 200) + GRACE
    assert sum(guard.request(0.0) for _ in range(10_000)) == allowed
    assert sum(guard.request(1.0) for _ in range(10_000)) == PATIENCE * 100
    assert guard.control(1.0)


def test_an_honest_client_is_never_at_its_limit() -> None:
    guard = FloodGuard(*GUARD)
    for second in range(60):
        for step in range(100):
            assert guard.request(second + step / 100)
        for _ in range(5):
            assert guard.control(float(second))
