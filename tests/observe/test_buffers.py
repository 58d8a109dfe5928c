"""Kinds of bytes that wait, beside their bounds."""

from __future__ import annotations

from quicgw_fast.observe import BufferKind, Filling, Metrics, Unit, register_buffer, render_stats


def test_a_kind_tells_what_there_is_and_what_there_may_be() -> None:
    metrics, there = Metrics(), [5]
    register_buffer(metrics, BufferKind.LOG, Filling(lambda: there[0], lambda: 100))
    of_one = Filling(lambda: 3, lambda: 10)
    register_buffer(metrics, BufferKind.SESSIONS, Filling(lambda: 7, lambda: 70), of_one)
    there[0] = 6
    assert render_stats(metrics, {"engine": ""}, [])["buffered"] == {
        "used": {"log": 6, "sessions": 7},
        "limit": {"log": 100, "sessions": 70},
        "most": {"sessions": 3},
        "most_limit": {"sessions": 10},
    }
    assert {family.unit for family in metrics} == {Unit.BYTES}
