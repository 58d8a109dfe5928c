from __future__ import annotations

from quicgw_fast.codes import CloseCode
from quicgw_fast.config import LimitsConfig, OverloadConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import MAX_HELD, Close, HeldFacts, MessageFacts, RequestFacts, Traffic, make_gates
from quicgw_fast.overload.flood import FLOOD_FACTOR, GRACE
from tests.overload.test_rules import Session

LIMITS = LimitsConfig(control_per_second=100, control_burst=400, messages_per_second=100, message_burst=200)


class Connection:
    """Its messages at the gate; true when one is looked at."""

    def __init__(self, *observe: str, window: int = 1024) -> None:
        self.traffic = Traffic()
        self.metrics = Metrics()
        self.gates = make_gates(LIMITS, self.metrics, OverloadConfig(observe=observe), window=window)

    def control(self, now: float) -> bool:
        return self.gates.message.judge(MessageFacts(self.traffic, now)) is None

    def request(self, now: float) -> bool:
        # Every request is another session's: its own rate and bounds have no say.
        refusal = self.gates.request.judge(RequestFacts(Session(), self.traffic, draining=False, now=now))
        assert refusal is None or isinstance(refusal, Close)
        return refusal is None


def test_control_messages_have_a_burst_and_a_rate() -> None:
    connection = Connection()
    assert sum(connection.control(0.0) for _ in range(1000)) == 400
    assert sum(connection.control(1.0) for _ in range(1000)) == 100
    assert connection.request(1.0), "requests have a rate of their own"


def test_requests_may_be_far_more_than_are_answered() -> None:
    connection = Connection(window=1 << 20)
    allowed = int(FLOOD_FACTOR * 200) + GRACE
    assert sum(connection.request(0.0) for _ in range(10_000)) == allowed
    assert sum(connection.request(1.0) for _ in range(10_000)) == FLOOD_FACTOR * 100
    assert connection.control(1.0)


def test_a_flood_is_told_before_the_window_is_full_of_refusals() -> None:
    connection = Connection(window=300)
    assert sum(connection.request(0.0) for _ in range(10_000)) == 300


def test_an_honest_client_is_never_at_its_limit() -> None:
    connection = Connection()
    for second in range(60):
        for step in range(100):
            assert connection.request(second + step / 100)
        for _ in range(5):
            assert connection.control(float(second))


def test_every_connection_has_its_own_rate() -> None:
    connection = Connection()
    while connection.control(0.0):
        pass
    connection.traffic = Traffic()
    assert connection.control(0.0)


def test_a_flood_can_be_only_observed() -> None:
    connection = Connection("control-flood")
    assert all(connection.control(0.0) for _ in range(410))
    assert connection.metrics.count("would_reject", "message", "control-flood") == 10
    assert connection.metrics.count("refused", "request", "request-flood") == 0


def test_what_waits_behind_a_start_is_bounded() -> None:
    gate = make_gates(LIMITS, Metrics()).held
    assert gate.judge(HeldFacts(MAX_HELD)) is None
    refusal = gate.judge(HeldFacts(MAX_HELD + 1))
    assert refusal is not None
    assert refusal.code is CloseCode.OVERLOADED
