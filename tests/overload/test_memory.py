"""What is given up while the process is short of memory, stage by stage."""

from __future__ import annotations

from typing import Any

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.config import LimitsConfig, OverloadConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import (
    Gates,
    LargeSessionFacts,
    MemoryStage,
    RequestFacts,
    StartFacts,
    TaskFacts,
    Traffic,
    make_gates,
)
from quicgw_fast.ports import Arrival
from tests.overload.test_rules import Session

LIMIT = 1000
STAGES = {"memory_stages": (0.5, 0.6, 0.7, 0.8), "memory_slack": 0.05}


def gates_of(metrics: Metrics | None = None, **overload: Any) -> Gates:
    return make_gates(LimitsConfig(memory=LIMIT), metrics or Metrics(), OverloadConfig(**STAGES, **overload))


def given_up(gates: Gates, now: float = 0.0) -> list[str]:
    """What is refused now."""
    arrival = Arrival("127.0.0.1:1", True, 0, 0, False, now)
    verdicts = {
        "connection": gates.connections.established(arrival),
        "start": gates.start.judge(StartFacts("127.0.0.1:1", "alice", False, now)),
        "login": gates.task.judge(TaskFacts(Session(), 1, 0, True, now)),
        "task": gates.task.judge(TaskFacts(Session(), 1, 0, False, now)),
        "request": gates.request.judge(RequestFacts(Session(), Traffic(), False, now)),
        "session": gates.session.judge(LargeSessionFacts(now)),
    }
    return [name for name, verdict in verdicts.items() if verdict is not None]


@pytest.mark.parametrize(
    ("used", "stage", "without"),
    [
        (499, MemoryStage.FREE, []),
        (500, MemoryStage.NO_CONNECTIONS, ["connection"]),
        (600, MemoryStage.NO_LOGINS, ["connection", "start", "login"]),
        (700, MemoryStage.NO_REQUESTS, ["connection", "start", "login", "request"]),
        (2000, MemoryStage.CLOSE_SESSIONS, ["connection", "start", "login", "request", "session"]),
    ],
)
def test_each_stage_gives_up_what_those_before_it_do_and_more(
    used: int, stage: MemoryStage, without: list[str]
) -> None:
    gates = gates_of()
    gates.book.measured(used, None, 0.0)
    assert gates.memory.stage is stage
    assert given_up(gates) == without
    assert (gates.memory.reason() is None) == (stage is MemoryStage.FREE)


def test_a_stage_is_left_only_when_some_more_is_free() -> None:
    gates = gates_of()
    stages = []
    for used in (499, 700, 660, 649, 610, 549, 460, 449, 499, 810, 100):
        gates.book.measured(used, None, 0.0)
        stages.append(int(gates.memory.stage))
    assert stages == [0, 3, 3, 2, 2, 1, 1, 0, 0, 4, 0]


def test_each_stage_that_is_entered_is_counted_and_each_change_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "quicgw.overload")
    metrics = Metrics()
    gates = gates_of(metrics)
    for used in (650, 750, 100):
        gates.book.measured(used, None, 0.0)
    stages = ("no_connections", "no_logins", "no_requests", "close_sessions")
    assert [metrics.count("memory_stages_entered", stage) for stage in stages] == [1, 1, 1, 0]
    assert [(record.message, record.__dict__["stage"]) for record in caplog.records] == [
        ("memory is short", "no logins"),
        ("memory is short", "no requests"),
        ("memory is less short", "everything is served"),
    ]
    assert (metrics.count("memory_used"), metrics.count("memory_limit"), metrics.count("memory_stage")) == (
        100,
        1000,
        0,
    )


def test_without_a_limit_of_its_own_that_of_its_surroundings_counts() -> None:
    gates = make_gates(LimitsConfig(), Metrics(), OverloadConfig(**STAGES))
    gates.book.measured(900, None, 0.0)
    assert not given_up(gates)
    gates.book.measured(900, 1000, 0.0)
    assert gates.memory.stage is MemoryStage.CLOSE_SESSIONS
    gates.reconfigure(LimitsConfig(memory=1400), OverloadConfig(**STAGES), max_concurrency=0)
    gates.book.measured(900, 1000, 0.0)
    assert gates.memory.stage is MemoryStage.NO_LOGINS


def test_a_full_process_says_so_to_some_in_a_handshake_and_to_the_rest_before() -> None:
    gates = make_gates(LimitsConfig(memory=LIMIT), Metrics(), OverloadConfig(**STAGES), turning_away=(1.0, 2))
    gates.book.measured(550, None, 0.0)
    arrival = Arrival("127.0.0.1:1", True, 0, 0, False, 0.0)
    verdicts = [gates.connections.connection(arrival) for _ in range(3)]
    assert verdicts[:2] == [None, None]
    assert verdicts[2] is not None
    refusal = gates.connections.established(arrival)
    assert refusal is not None
    assert refusal.code is CloseCode.OVERLOADED
    assert "the memory of the process is short, retry-after-ms " in refusal.phrase


@pytest.mark.parametrize(("lasts", "low", "high"), [(0.0, 1.0, 2.05), (10.0, 10.0, 20.05), (300.0, 30.0, 60.0)])
def test_the_longer_it_lasts_the_later_they_come_back(lasts: float, low: float, high: float) -> None:
    gates = gates_of()
    gates.book.measured(750, None, 5.0)
    for _ in range(20):
        refusal = gates.request.judge(RequestFacts(Session(), Traffic(), False, 5.0 + lasts))
        assert refusal is not None
        after = getattr(refusal, "retry_after", None)
        assert after is not None
        assert low <= after <= high


def test_in_mode_observe_nothing_is_given_up_and_all_is_counted() -> None:
    metrics = Metrics()
    gates = gates_of(metrics, observe=("memory",))
    gates.book.measured(900, None, 0.0)
    assert not given_up(gates)
    moments = ("established", "start", "task", "request", "session")
    assert [metrics.count("would_reject", moment, "memory") for moment in moments] == [1] * 5


def test_the_log_warns_of_it_like_of_any_bound() -> None:
    metrics = Metrics()
    gates = gates_of(metrics, warn_at=0.4)
    gates.book.measured(450, None, 0.0)
    gates.book.tend(0.0)
    assert metrics.count("overload_near", "memory") == 1
