"""Who may connect: the rules around a handshake, asked by a listener."""

from __future__ import annotations

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.config import LimitsConfig, OverloadConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import Bounds, ConnectionGates, make_gates
from quicgw_fast.overload.address_rates import AddressRates
from quicgw_fast.overload.answer_rate import OTHERS, RETRIES
from quicgw_fast.overload.half_open import RetryAbove
from quicgw_fast.ports import Arrival, ConnectionRefusal, Deflection, TurnedAway, UnprovenAnswer
from tests.support.gatekeeper import gatekeeper

ADDRESS = "192.0.2.1"


def arrival(
    now: float = 0.0,
    *,
    address: str = ADDRESS,
    proven: bool = False,
    half_open: int = 0,
    connections: int = 0,
    draining: bool = False,
) -> Arrival:
    return Arrival(address, proven, half_open, connections, draining, now)


def code(verdict: TurnedAway | None) -> CloseCode | None:
    return verdict.code if isinstance(verdict, ConnectionRefusal) else None


def test_the_order_of_decisions() -> None:
    gate = gatekeeper(retry_above=2, max_half_open=4, max_connections=10).connection
    assert gate(arrival()) is None
    assert gate(arrival(half_open=2)) is Deflection.RETRY
    assert gate(arrival(half_open=2, proven=True)) is None
    assert gate(arrival(half_open=4, proven=True)) is Deflection.DROP
    assert code(gate(arrival(half_open=4, draining=True))) is CloseCode.DRAINING
    assert code(gate(arrival(connections=10, draining=True))) is CloseCode.DRAINING


def test_a_full_gateway_takes_some_to_tell_them_why_and_refuses_the_rest() -> None:
    gates = gatekeeper(max_connections=10, turning_away=(1.0, 2), retry_above=5)
    full = arrival(connections=10)
    verdicts = [gates.connection(full) for _ in range(3)]
    assert verdicts[:2] == [None, None]
    assert code(verdicts[2]) is CloseCode.OVERLOADED
    assert gates.connection(arrival(connections=9)) is None
    assert gates.connection(arrival(1.0, half_open=5, connections=5)) is Deflection.RETRY
    assert code(gates.connection(arrival(1.0, connections=10))) is CloseCode.OVERLOADED


def test_those_who_completed_their_handshake_are_told_why_they_must_leave() -> None:
    gates = gatekeeper(max_connections=10)
    assert gates.established(arrival(half_open=10, connections=9)) is None, "a place became free meanwhile"
    refusal = gates.established(arrival(connections=10))
    assert refusal is not None
    assert refusal.code is CloseCode.OVERLOADED
    assert refusal.phrase.startswith("OVERLOADED: the gateway is full, retry-after-ms ")
    refusal = gates.established(arrival(draining=True))
    assert refusal == (CloseCode.DRAINING, "DRAINING: no new connections")


def test_failed_handshakes_count_as_half_open_for_a_while() -> None:
    gates = gatekeeper(retry_above=3, max_half_open=4)
    for now in (0.0, 1.0, 2.0):
        assert gates.connection(arrival(now)) is None
        gates.failed(now + 5.0)
    assert gates.connection(arrival(2.0)) is Deflection.RETRY
    assert gates.connection(arrival(5.1)) is None


def test_of_failed_handshakes_no_more_are_remembered_than_matter() -> None:
    rule = RetryAbove(Bounds(LimitsConfig(retry_above=3, max_half_open=4)))
    for _ in range(100):
        rule.failed(10.0)
    assert rule.failures(5.1) == 4


def test_an_address_over_its_rate_has_to_prove_itself_first() -> None:
    gate = gatekeeper(handshakes_per_second=0.3).connection  # and three at once
    assert [gate(arrival()) for _ in range(4)] == [None] * 3 + [Deflection.RETRY]
    # What others did in its name does not count against the real owner of the address.
    assert [gate(arrival(proven=True)) for _ in range(4)] == [None] * 3 + [Deflection.DROP]
    assert gate(arrival(address="192.0.2.2")) is None
    assert gate(arrival(1 / 0.3)) is None


def test_a_noisy_address_has_to_prove_itself_unread() -> None:
    gates = gatekeeper(noise=(1.0, 2))
    for _ in range(2):
        assert gates.initial(arrival()) is None
        gates.noise(ADDRESS, 0.0)
    assert gates.initial(arrival()) is Deflection.RETRY
    assert gates.initial(arrival(proven=True)) is None
    assert gates.initial(arrival(address="192.0.2.2")) is None
    assert gates.initial(arrival(1.0)) is None


@pytest.mark.parametrize(("retry", "most"), [(True, RETRIES), (False, OTHERS)])
def test_answers_to_what_anybody_can_forge_are_bounded(retry: bool, most: int) -> None:
    gates = gatekeeper()
    answers = [gates.answer(UnprovenAnswer(retry, 0.0)) for _ in range(most + 1)]
    assert answers == [None] * most + [Deflection.DROP]
    assert gates.answer(UnprovenAnswer(not retry, 0.0)) is None
    assert gates.answer(UnprovenAnswer(retry, 1.0)) is None


def test_remembered_addresses_are_bounded() -> None:
    rates = AddressRates(1.0, 1, remembered=4)
    for number in range(10):
        assert rates.take(f"192.0.2.{number}", 0.0)
    assert len(rates) == 4
    assert not rates.take("192.0.2.9", 0.0)


def counting(*observe: str, **limits: float) -> tuple[ConnectionGates, Metrics]:
    metrics = Metrics()
    overload = OverloadConfig(observe=observe)
    return make_gates(LimitsConfig(**limits), metrics, overload).connections, metrics  # type: ignore[arg-type]


def test_each_is_counted_by_its_rule() -> None:
    gates, metrics = counting(max_connections=1, max_half_open=4, retry_above=2, handshakes_per_second=0.1)
    gates.connection(arrival())
    gates.connection(arrival())
    gates.connection(arrival(half_open=2))
    gates.connection(arrival(half_open=4))
    gates.connection(arrival(draining=True))
    gates.established(arrival(connections=1))
    rules = ("draining", "full", "half-open", "retry-above", "handshake-rate")
    counted = {rule: metrics.count("refused", "connection", rule) for rule in rules}
    assert counted == {"draining": 1, "full": 0, "half-open": 1, "retry-above": 1, "handshake-rate": 1}
    assert metrics.count("refused", "established", "full") == 1


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        ("half-open", arrival(half_open=512, proven=True)),
        ("retry-above", arrival(half_open=100)),
        ("full", arrival(connections=50_000)),
    ],
)
def test_a_rule_can_observe(rule: str, facts: Arrival) -> None:
    gates, metrics = counting(rule)
    moment, judge = ("established", gates.established) if rule == "full" else ("connection", gates.connection)
    assert judge(facts) is None
    assert (metrics.count("refused", moment, rule), metrics.count("would_reject", moment, rule)) == (0, 1)
