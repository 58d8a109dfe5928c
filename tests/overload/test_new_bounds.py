"""Bounds of what all clients do together: requests and connections a second, clients of an address, calls."""

from __future__ import annotations

from typing import Any

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.config import LimitsConfig, OverloadConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.overload import Gates, Refusal, RequestFacts, Traffic, make_gates
from quicgw_fast.ports import Arrival, CallFacts, ConnectionRefusal, Deflection
from tests.overload.test_rules import Session


def gates_of(*observe: str, metrics: Metrics | None = None, **limits: Any) -> Gates:
    return make_gates(LimitsConfig(**limits), metrics or Metrics(), OverloadConfig(observe=observe))


def request(gates: Gates, now: float) -> Refusal | None:
    refusal = gates.request.judge(RequestFacts(Session(), Traffic(), False, now))
    assert refusal is None or isinstance(refusal, Refusal)
    return refusal


def arrival(now: float = 0.0, *, address: str = "127.0.0.1:1", proven: bool = True) -> Arrival:
    return Arrival(address, proven, 0, 0, False, now)


def test_more_requests_than_may_be_in_a_second_are_refused_by_name() -> None:
    gates = gates_of(requests_per_second=3)
    assert [request(gates, 10.0) for _ in range(3)] == [None] * 3
    refusal = request(gates, 10.5)
    assert refusal is not None
    told = refusal.error()
    assert (told.code, told.headers["error-code"]) == (503, "QPS")
    assert told.detail == "QPS: over 3 requests a second in all"
    assert 500 < int(told.headers["retry-after-ms"]) < 1300
    assert request(gates, 11.1) is None, "those that were refused do not count"


def test_what_a_session_may_not_have_does_not_count_for_all() -> None:
    gates = gates_of(requests_per_second=2, in_flight=1)
    for _ in range(5):
        assert gates.request.judge(RequestFacts(Session(), Traffic(), False, 0.0)) is not None
    assert gates.book.report(0.0)
    gates.reconfigure(LimitsConfig(requests_per_second=2), OverloadConfig(), max_concurrency=0)
    assert request(gates, 0.0) is None


def test_more_new_connections_than_may_be_in_a_second_are_told_when_to_come_back() -> None:
    gate = gates_of(connections_per_second=2).connections.connection
    assert [gate(arrival()) for _ in range(2)] == [None, None]
    assert gate(arrival(proven=False)) is Deflection.RETRY, "nobody is turned away in another one's name"
    refusal = gate(arrival())
    assert isinstance(refusal, ConnectionRefusal)
    assert refusal.code is CloseCode.OVERLOADED
    assert refusal.phrase.startswith("OVERLOADED: too many new connections, retry-after-ms 1")
    assert gate(arrival(1.1)) is None


@pytest.mark.parametrize(
    ("mine", "same", "other"),
    [("127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1"), ("[::1]:1", "[::2]:2", "[1::1]:1")],
)
def test_an_address_has_so_many_connections_and_a_64_is_one(mine: str, same: str, other: str) -> None:
    gates = gates_of(connections_per_address=2)
    at = gates.connections
    at.entered(mine)
    assert at.connection(arrival(address=same)) is None
    at.entered(same)
    assert at.connection(arrival(address=same, proven=False)) is Deflection.RETRY
    for refusal in (at.connection(arrival(address=same)), at.established(arrival(address=mine))):
        assert isinstance(refusal, ConnectionRefusal)
        assert "too many connections from this address" in refusal.phrase
    assert at.connection(arrival(address=other)) is None
    at.left(mine, 0.0)
    assert at.connection(arrival(address=same)) is None


def test_the_connections_of_an_address_are_counted_without_a_bound_too() -> None:
    gates = gates_of()
    for _ in range(3):
        gates.connections.entered("127.0.0.1:1")
    gates.reconfigure(LimitsConfig(connections_per_address=3), OverloadConfig(), max_concurrency=0)
    assert gates.connections.established(arrival()) is not None
    for _ in range(3):
        gates.connections.left("127.0.0.1:1", 0.0)
    assert gates.connections.established(arrival()) is None


def test_calls_are_bounded_in_all() -> None:
    metrics = Metrics()
    gates = gates_of(max_calls=3, metrics=metrics)
    assert gates.call.judge(CallFacts("zone", 2, 2)) is None
    refusal = gates.call.judge(CallFacts("zone", 0, 3))
    assert refusal is not None
    assert (refusal.code, refusal.detail) == (503, "3 calls of services are under way, which is the limit")
    assert metrics.count("refused", "call", "calls") == 1


def test_how_soon_a_place_is_free_is_measured() -> None:
    metrics = Metrics()
    gates = gates_of(max_calls=10, metrics=metrics)
    took = metrics.durations("upstream_call", "Calls, however they ended", "service", ["hello", "zone"])
    for _ in range(5):
        took["hello"].observe(10.0)
        took["zone"].observe(30.0)
    gates.book.tend(1.0)
    refusal = gates.call.judge(CallFacts("zone", 10, 10))
    assert refusal is not None
    assert refusal.retry_after is not None
    assert 2.0 <= refusal.retry_after <= 4.05, "of ten that take 20 s one ends every two"


def test_when_a_place_becomes_free_is_how_fast_others_leave() -> None:
    gates = gates_of(max_connections=1, retry_above=0)
    for number in range(40):
        gates.connections.entered("127.0.0.1:1")
        gates.connections.left("127.0.0.1:1", number / 10)
    refusal = gates.connections.established(Arrival("127.0.0.1:1", True, 0, 1, False, 4.0))
    assert refusal is not None
    assert 250 <= int(refusal.phrase.rpartition(" ")[2]) <= 500


def test_the_log_warns_once_before_anything_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    gates = gates_of(requests_per_second=10, metrics=metrics)
    for number in range(8):
        request(gates, number / 100)
    for _ in range(3):
        gates.book.tend(0.1)
    assert metrics.count("overload_near", "request-rate") == 1
    assert metrics.count("overload_warnings", "request-rate") == 1
    gates.book.tend(5.0)
    assert metrics.count("overload_near", "request-rate") == 0
    assert [(record.message, record.levelname) for record in caplog.records if record.name == "quicgw.overload"] == [
        ("near a limit", "WARNING")
    ]


def test_a_level_is_read_from_the_gauge_that_somebody_else_keeps() -> None:
    metrics = Metrics()
    gates = gates_of(max_connections=100, max_calls=10, metrics=metrics)
    gates.book.tend(0.0)
    metrics.gauge("connections_open", "Connections", lambda: 81)
    under_way = {"hello": 4, "zone": 5}
    metrics.gauges("upstream_under_way", "Calls", "service", under_way, lambda: under_way)
    gates.book.tend(1.0)
    levels = {one["rule"]: (one.get("value"), one.get("near")) for one in gates.book.report(0.0)}
    assert levels["full"] == (81, True)
    assert levels["calls"] == (9, True)
    assert levels["concurrency"] == (5, False), "it has no bound"
    assert levels["half-open"] == (None, False), "nobody measures it"
    assert levels["message-rate"] == (None, None), "somebody is always near it"
