"""Protocol §6: restarts under load lose nothing that was accepted. ``make restarts`` does it twenty times."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.parts import WHICHEVER_ENGINE
from tests.support.restarts import Plan, Restarts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.parts import Parts

pytestmark = WHICHEVER_ENGINE

COUNT = int(os.environ.get("RESTARTS", "0"))
"""Restarts of the long run; 0 for the short one."""


@pytest.mark.timeout(0 if COUNT else 120)
async def test_restarts_under_load_lose_no_accepted_request(
    parts: Parts, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    plan = Plan(COUNT, serving=3.0, workers=8, clients=10, spread=2.0) if COUNT else Plan()
    outcome = await Restarts(parts, tmp_path, certificate, plan).run()
    print(f"{parts.transport}, {parts.client}, {parts.engine}: {plan.rate:g} a second; {outcome.told()}")
    assert [life.status for life in outcome.lives] == [0] * (plan.restarts + 1)
    assert outcome.lost == 0, outcome.told()
    assert [life.lost for life in outcome.lives] == [0] * (plan.restarts + 1)
    assert not outcome.holes
    assert max(outcome.ran.values()) == 1, "none ran twice"
    assert set(outcome.calls) <= {"answered", "Overloaded"}, outcome.calls
    assert outcome.calls["answered"] > plan.rate * plan.serving
