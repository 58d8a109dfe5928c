"""Some attacks of ``benches/attacks`` for a short time: what a gateway grows by, and that it serves behind them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benches.attacks import report
from benches.attacks.measure import TRANSPORTS, Row, run_one
from quicgw_fast.demo.services import start_services

if TYPE_CHECKING:
    from pathlib import Path

MOST = 64.0
"""MiB that an attack may make a gateway grow by."""


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("attack", ["genuine_initials", "used_up_and_gone", "any_frames"])
async def test_a_gateway_stays_small_under_attack_and_serves_behind_it(attack: str, transport: str) -> None:
    from benches.attacks import __main__ as all_of_them  # each module enters its own

    assert all_of_them.ATTACKS[attack]
    upstreams = await start_services()
    try:
        row = await run_one(attack, upstreams.addresses, 2.0, transport, afterwards=2.0)
    finally:
        await upstreams.stop()
    assert row.count, "nothing was sent"
    assert row.most < MOST
    assert row.failed_after == 0


def test_the_table_is_in_the_order_of_the_attacks_and_compares_with_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "KEPT", tmp_path / "out" / "attacks.json")
    none = Row("none", "none", "quinn", 0, 0, 4.0, "", 0.5, 0.5, 0.1, 400, 0, 3.0, 8.0, 5.0, 0, 10, 0)
    row = Row("pings", "Many", "quinn", 4000, 8000, 4.0, "", 1.0, 0.5, 0.2, 400, 1, 4.0, 16.0, 5.0, 0, 10, 2)
    report.keep([row])
    report.keep([none])
    report.keep([row])
    assert len(json.loads(report.KEPT.read_text())) == 2
    expected = (
        "Many | quinn | 1 000/s, 0.0 Mbit/s | +1.0 / +0.5 | 0.20 | 100 | 4.0 / 16.0 | 2.0 | 1 of 400 | 5.0 | 2 of 10"
    )
    assert report.line(row, report.kept()) == f"| {expected} |  |"
