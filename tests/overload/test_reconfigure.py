"""Bounds and modes of rules change while the rules are asked."""

from __future__ import annotations

import pytest

from quicgw_fast.config import LimitsConfig, OverloadConfig
from quicgw_fast.errors import SettingError
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import (
    Gates,
    MessageFacts,
    QueueFacts,
    Refusal,
    RequestFacts,
    RuleMode,
    StartFacts,
    TaskFacts,
    Traffic,
    make_gates,
)
from quicgw_fast.ports import Arrival, CallFacts, Deflection
from tests.overload.test_rules import Session

ENFORCED = OverloadConfig()


def gates_of(**limits: float) -> Gates:
    return make_gates(LimitsConfig(**limits), Metrics())  # type: ignore[arg-type]


def change(gates: Gates, overload: OverloadConfig = ENFORCED, *, max_concurrency: int = 0, **limits: float) -> None:
    gates.reconfigure(LimitsConfig(**limits), overload, max_concurrency=max_concurrency)  # type: ignore[arg-type]


def asked(gates: Gates, session: Session, now: float = 0.0) -> str:
    refusal = gates.request.judge(RequestFacts(session, Traffic(), False, now))
    return "" if refusal is None else getattr(refusal, "message", "closed")


def arrival(now: float = 0.0, *, half_open: int = 0, connections: int = 0, proven: bool = False) -> Arrival:
    return Arrival("127.0.0.1", proven, half_open, connections, False, now)


def test_the_rate_of_a_session_that_is_there_follows() -> None:
    gates, session = gates_of(messages_per_second=1, message_burst=1), Session()
    assert [asked(gates, session) for _ in range(2)] == ["", "too many messages"]
    change(gates, messages_per_second=1000, message_burst=3)
    assert asked(gates, session) == "too many messages", "as empty as it was"
    assert [asked(gates, session, 0.0021) for _ in range(3)] == ["", "", "too many messages"]
    change(gates, messages_per_second=1, message_burst=1)
    assert [asked(gates, session, 0.1) for _ in range(2)] == ["", "too many messages"]


def test_the_flood_of_a_connection_that_is_there_follows() -> None:
    gates, traffic = gates_of(control_per_second=1, control_burst=1), Traffic()
    facts = MessageFacts(traffic, 0.0)
    assert gates.message.judge(facts) is None
    assert gates.message.judge(facts) is not None
    change(gates, control_per_second=1000, control_burst=10)
    assert gates.message.judge(facts) is not None
    assert gates.message.judge(MessageFacts(traffic, 0.01)) is None


def test_bounds_of_sessions_and_of_all_follow() -> None:
    gates, session = gates_of(in_flight=1), Session()
    assert asked(gates, session) == "too many requests in flight"
    change(gates, in_flight=2)
    assert asked(gates, session) == ""
    session.request_bytes = 2 << 20
    facts = TaskFacts(session, 1 << 20, 20 << 20, False, 0.0)
    assert gates.task.judge(facts) is None
    change(gates, request_bytes=1 << 20)
    refusal = gates.task.judge(facts)
    assert refusal is not None
    assert refusal.code == 429
    change(gates, request_memory=16 << 20)
    refusal = gates.task.judge(facts)
    assert refusal is not None
    assert refusal.code == 503


def test_bounds_of_connections_follow() -> None:
    gates = gates_of()
    at = gates.connections
    assert at.connection(arrival(half_open=10, proven=True)) is None
    change(gates, max_half_open=10)
    assert at.connection(arrival(half_open=10, proven=True)) is Deflection.DROP
    change(gates, retry_above=3)
    assert at.connection(arrival(half_open=3)) is Deflection.RETRY
    change(gates, max_connections=5)
    assert at.established(arrival(connections=5)) is not None
    change(gates, handshakes_per_second=0.1)
    assert at.connection(arrival(1.0)) is None
    assert at.connection(arrival(1.0)) is Deflection.RETRY


def test_failures_that_are_remembered_still_count() -> None:
    gates = gates_of(retry_above=3, max_half_open=512)
    for _ in range(3):
        gates.connections.failed(10.0)
    change(gates, retry_above=2, max_half_open=100)
    assert gates.connections.connection(arrival()) is Deflection.RETRY


def test_who_guessed_is_judged_by_the_new_limit() -> None:
    gates = gates_of(auth_failures_per_minute=3)
    for _ in range(2):
        gates.attempts.failed("127.0.0.1:1", "alice", 0.0)
    facts = StartFacts("127.0.0.1:1", "alice", False, 0.0)
    assert [gates.start.judge(facts) for _ in range(9)] == [None] * 9
    change(gates, auth_failures_per_minute=2)
    assert sum(gates.start.judge(facts) is None for _ in range(9)) == 5


def test_a_rule_is_asked_once_it_has_a_bound_and_not_any_more_without() -> None:
    gates = gates_of()
    assert not gates.call.asks
    change(gates, max_concurrency=1)
    assert gates.call.asks
    assert gates.call.judge(CallFacts("hello", 1, 1)) is not None
    change(gates, max_calls=4)
    assert gates.call.judge(CallFacts("hello", 3, 3)) is None
    assert gates.call.judge(CallFacts("hello", 1, 4)) is not None
    change(gates)
    assert not gates.call.asks


def test_a_rule_observes_and_enforces_again() -> None:
    gates, session = gates_of(in_flight=1), Session()
    change(gates, OverloadConfig(observe=("in-flight",)), in_flight=1)
    assert asked(gates, session) == ""
    change(gates, in_flight=1)
    assert asked(gates, session) == "too many requests in flight"
    (rule,) = (one for one in gates.book.report(0.0) if one["rule"] == "in-flight")
    assert (rule["refused"], rule["would_reject"], rule["mode"]) == (1, 1, RuleMode.ENFORCE)


def test_a_wrong_name_changes_nothing() -> None:
    gates, session = gates_of(in_flight=1), Session()
    with pytest.raises(SettingError, match="'nonsense'") as caught:
        change(gates, OverloadConfig(observe=("in-flight", "nonsense")), in_flight=9)
    assert caught.value.key == ("overload", "observe")
    assert asked(gates, session) == "too many requests in flight"
    assert gates.book.bounds.limits.in_flight == 1


def test_the_report_has_every_rule_with_its_bounds() -> None:
    gates = make_gates(LimitsConfig(in_flight=7), Metrics(), OverloadConfig(observe=("full",)), max_concurrency=3)
    report = {(one["moment"], one["rule"]): one for one in gates.book.report(0.0)}
    assert report["request", "in-flight"]["bounds"] == {"limits.in_flight": 7}
    assert report["call", "concurrency"]["bounds"] == {"upstream.max_concurrency": 3}
    assert report["call", "calls"]["mode"] == "off"
    assert report["connection", "full"]["mode"] == report["established", "full"]["mode"] == "observe"
    assert report["request", "draining"]["bounds"] == {}
    assert report["request", "message-rate"]["bounds"] == {
        "limits.messages_per_second": 100.0,
        "limits.message_burst": 200,
    }


def test_what_is_refused_says_when_to_come_back() -> None:
    """But who is told so by the queue, or by a gateway that stops (see there)."""
    gates = make_gates(
        LimitsConfig(in_flight=1, request_bytes=1, request_memory=16 << 20, max_calls=1), Metrics(), max_concurrency=2
    )
    held = Session(request_bytes=10)
    refusals = [
        gates.request.judge(RequestFacts(Session(), Traffic(), False, 0.0)),
        gates.task.judge(TaskFacts(held, 10, 0, False, 0.0)),
        gates.task.judge(TaskFacts(Session(), 16 << 20, 10, False, 0.0)),
        gates.call.judge(CallFacts("hello", 2, 2)),
        gates.call.judge(CallFacts("hello", 1, 1)),
    ]
    for refusal in refusals:
        assert isinstance(refusal, Refusal)
        assert refusal.retry_after is not None
        assert 0 < refusal.retry_after <= 2.0
    assert gates.queue.judge(QueueFacts("requests", full=True, retry_after=None)) is not None
