"""Rules and gates: one shape, asked in one place, enforcing or observing."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from quicgw_fast.codes import CloseCode, ErrorCode, PushCode
from quicgw_fast.config import LimitsConfig, OverloadConfig
from quicgw_fast.config.catalogue import settings
from quicgw_fast.errors import ConfigError
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import (
    MAX_HELD,
    Close,
    Gate,
    HeldFacts,
    Moment,
    PushFacts,
    PushRefusal,
    QueueFacts,
    Refusal,
    RenewalFacts,
    RequestFacts,
    StartFacts,
    TaskFacts,
    Traffic,
    make_gates,
    moments,
)
from quicgw_fast.ports import CallFacts


@dataclass
class Always:
    """Refuses everything, and remembers what it was asked."""

    name: str
    asked: list[int] = field(default_factory=list)

    def judge(self, facts: int, /) -> Refusal | None:
        self.asked.append(facts)
        return Refusal(ErrorCode.OVERLOADED, self.name)


@dataclass
class Session:
    outbox: Any = field(default_factory=lambda: SimpleNamespace(in_flight=1))
    allowance: Any = None
    allowance_full_at: float = 0.0
    renewals: Any = None
    request_bytes: int = 0


def observing(*rules: str) -> OverloadConfig:
    return OverloadConfig(observe=rules)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_the_first_refusal_counts_and_the_rest_are_not_asked(metrics: Metrics) -> None:
    first, second = Always("first"), Always("second")
    refusal = Gate(Moment.START, [first, second], metrics).judge(1)
    assert refusal is not None
    assert (refusal.message, second.asked) == ("first", [])
    assert (metrics.count("refused", "start", "first"), metrics.count("refused", "start", "second")) == (1, 0)


def test_a_rule_that_observes_admits(metrics: Metrics) -> None:
    first, second = Always("first"), Always("second")
    assert Gate(Moment.START, [first, second], metrics, ["first", "second"]).judge(1) is None
    assert first.asked == second.asked == [1]
    for rule in ("first", "second"):
        assert (metrics.count("refused", "start", rule), metrics.count("would_reject", "start", rule)) == (0, 1)


def test_a_gate_changes_its_mind_while_it_is_asked(metrics: Metrics) -> None:
    rule = Always("only")
    gate = Gate(Moment.START, [rule], metrics)
    assert gate.judge(1) is not None
    gate.set_modes(["only"])
    assert gate.judge(2) is None
    gate.set_modes([])
    assert gate.judge(3) is not None
    counted = metrics.count("refused", "start", "only"), metrics.count("would_reject", "start", "only")
    assert counted == (2, 1)


@pytest.mark.parametrize(("after", "told"), [(None, 1000), (0.0, 1), (0.5, 501), (2.0004, 2001)])
def test_a_refusal_says_when_to_come_back(after: float | None, told: int) -> None:
    error = Refusal(ErrorCode.RATE_LIMITED, "too many", "detail", after).error()
    assert error.headers == {"retry-after-ms": str(told)}
    assert (error.code, error.message, error.detail) == (429, "too many", "detail")


def test_that_a_gateway_stops_cannot_be_only_observed(metrics: Metrics) -> None:
    with pytest.raises(ConfigError, match="'draining'"):
        make_gates(LimitsConfig(), metrics, observing("draining"))


def test_a_rule_that_there_is_not_cannot_be_configured(metrics: Metrics) -> None:
    with pytest.raises(ConfigError, match=r"'nonsense'.*concurrency.*message-rate"):
        make_gates(LimitsConfig(), metrics, observing("message-rate", "nonsense"))


def test_the_help_of_the_key_names_all_rules(metrics: Metrics) -> None:
    with pytest.raises(ConfigError) as error:
        make_gates(LimitsConfig(), metrics, observing("nonsense"))
    known = str(error.value).partition("known rules are ")[2].split(", ")
    told = settings()["overload.observe"].help
    assert told.endswith(f": {', '.join(f'``{name}``' for name in known)}.")


def test_a_gateway_that_stops_begins_nothing(metrics: Metrics) -> None:
    gates = make_gates(LimitsConfig(), metrics)
    start = gates.start.judge(StartFacts("192.0.2.1:1", "alice", True, 0.0))
    request = gates.request.judge(RequestFacts(Session(), Traffic(), True, 0.0))
    assert start is not None
    assert request is not None
    assert (start.code, request.code) == (503, 503)
    assert gates.push.judge(PushFacts(draining=True, deliverable=False)) is not None
    assert gates.push.judge(PushFacts(draining=True, deliverable=True)) is None
    assert gates.push.judge(PushFacts(draining=False, deliverable=False)) is None


def test_a_refused_request_uses_up_nothing_behind_the_rule(metrics: Metrics) -> None:
    session = Session()
    gates = make_gates(LimitsConfig(), metrics)
    assert gates.request.judge(RequestFacts(session, Traffic(), True, 0.0)) is not None
    assert session.allowance is None


def test_the_rate_of_messages_is_the_sessions(metrics: Metrics) -> None:
    gates = make_gates(LimitsConfig(messages_per_second=10, message_burst=2), metrics)
    one, other = Session(), Session()
    refusals = [gates.request.judge(RequestFacts(one, Traffic(), False, 0.0)) for _ in range(3)]
    assert [refusal is None for refusal in refusals] == [True, True, False]
    assert refusals[2] is not None
    assert refusals[2].retry_after == pytest.approx(0.1)
    assert gates.request.judge(RequestFacts(other, Traffic(), False, 0.0)) is None
    assert gates.request.judge(RequestFacts(one, Traffic(), False, 0.1)) is None


def test_requests_in_flight_are_bounded(metrics: Metrics) -> None:
    gates = make_gates(LimitsConfig(in_flight=3), metrics)
    session = Session()
    session.outbox.in_flight = 2
    assert gates.request.judge(RequestFacts(session, Traffic(), False, 0.0)) is None
    session.outbox.in_flight = 3
    refusal = gates.request.judge(RequestFacts(session, Traffic(), False, 0.0))
    assert refusal is not None
    assert refusal.code == 429
    assert metrics.count("refused", "request", "in-flight") == 1


def test_the_memory_of_requests_is_bounded_for_each_session_and_for_all(metrics: Metrics) -> None:
    gates = make_gates(LimitsConfig(request_bytes=1000, request_memory=16 << 20), metrics)
    session = Session()
    assert gates.task.judge(TaskFacts(session, 5000, 0, False, 0.0)) is None, "one is always taken"
    session.request_bytes = 5000
    refusal = gates.task.judge(TaskFacts(session, 1, 5000, False, 0.0))
    assert refusal is not None
    assert refusal.code == 429
    assert gates.task.judge(TaskFacts(Session(), 1, 5000, False, 0.0)) is None, "another session"
    refusal = gates.task.judge(TaskFacts(Session(), 16 << 20, 5000, False, 0.0))
    assert refusal is not None
    assert refusal.code == 503
    assert metrics.count("refused", "task", "request-memory") == 1


def test_renewals_have_a_rate_of_their_own(metrics: Metrics) -> None:
    gates = make_gates(LimitsConfig(), metrics)
    session = Session()
    admitted = [gates.renewal.judge(RenewalFacts(session, 0.0)) is None for _ in range(7)]
    assert admitted == [True] * 5 + [False] * 2
    assert session.allowance is None


def test_calls_of_a_service_are_bounded(metrics: Metrics) -> None:
    gate = make_gates(LimitsConfig(), metrics, max_concurrency=2).call
    assert gate.asks
    assert gate.judge(CallFacts("hello", 1, 1)) is None
    refusal = gate.judge(CallFacts("hello", 2, 2))
    assert refusal is not None
    assert (refusal.code, refusal.detail) == (503, "2 calls to hello are under way, which is the limit")
    assert metrics.count("refused", "call", "concurrency") == 1


def test_without_a_limit_nobody_asks_before_a_call(metrics: Metrics) -> None:
    gate = make_gates(LimitsConfig(), metrics, observing("concurrency")).call
    assert not gate.asks
    assert gate.judge(CallFacts("hello", 1 << 20, 1 << 20)) is None
    assert metrics.count("refused", "call", "concurrency") == 0


def test_another_rule_of_a_call_is_asked_without_a_limit_too(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "Concurrency", lambda *_: Always("other"))
    gate = make_gates(LimitsConfig(), metrics).call
    assert gate.asks
    refusal = gate.judge(CallFacts("hello", 0, 0))
    assert refusal is not None
    assert refusal.message == "other"


def test_a_request_without_a_place_is_refused_and_counted(metrics: Metrics) -> None:
    gate = make_gates(LimitsConfig(), metrics).queue
    refusal = gate.judge(QueueFacts("logins", full=True, retry_after=0.25))
    assert refusal is not None
    assert (refusal.code, refusal.detail, refusal.retry_after) == (503, "the queue of logins is full", 0.25)
    assert metrics.count("refused", "queue", "queue-full") == 1
    with pytest.raises(ConfigError, match="'queue-full'"):
        make_gates(LimitsConfig(), Metrics(), observing("queue-full"))


def test_a_request_that_would_wait_too_long_is_refused_unless_that_is_only_counted(metrics: Metrics) -> None:
    facts = QueueFacts("requests", full=False, retry_after=None)
    refusal = make_gates(LimitsConfig(), metrics).queue.judge(facts, 3)
    assert refusal is not None
    assert (refusal.code, refusal.detail) == (503, "the queue of requests stands")
    assert metrics.count("refused", "queue", "queue-delay") == 3
    observing = OverloadConfig(observe=("queue-delay",))
    assert make_gates(LimitsConfig(), Metrics(), observing).queue.judge(facts) is None


def test_a_refusal_says_all_that_its_moment_can_tell(metrics: Metrics) -> None:
    """What the flow does with it is not decided anywhere else."""
    gates = make_gates(LimitsConfig(auth_failures_per_minute=1), metrics)
    start = gates.start.judge(StartFacts("192.0.2.1:1", "alice", True, 0.0))
    push = gates.push.judge(PushFacts(draining=True, deliverable=False))
    held = gates.held.judge(HeldFacts(MAX_HELD + 1))
    assert start is not None
    assert start.close is CloseCode.DRAINING
    assert push == PushRefusal(PushCode.DRAINING, "the gateway stops, and its client would never get this")
    assert held == Close(CloseCode.OVERLOADED, "too much was sent before START was answered")


def test_an_address_over_its_limit_is_looked_at_rarely(metrics: Metrics) -> None:
    gates = make_gates(LimitsConfig(auth_failures_per_minute=1), metrics)
    facts = StartFacts("192.0.2.1:1", "alice", False, 0.0)
    assert gates.start.judge(facts) is None
    gates.attempts.failed("192.0.2.1:1", "alice", 0.0)
    admitted = [gates.start.judge(facts) is None for _ in range(6)]
    assert admitted == [True] * 5 + [False]
    assert metrics.count("refused", "start", "guessed-tokens") == 1
