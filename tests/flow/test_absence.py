"""A gateway that stood still judges nobody by a silence that was its own, and says so; likewise a clock that moved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from quicgw_fast.flow.absence import MOVED, NOTICED, Absence
from quicgw_fast.observe import Metrics
from quicgw_fast.observe.repeats import RepeatLog

if TYPE_CHECKING:
    from tests.flow.house import House

WALL = 1.8e9


@pytest.fixture
def absence() -> Absence:
    return Absence(Metrics(), RepeatLog(logging.getLogger("quicgw.test")))


def test_a_pause_that_is_too_long_is_an_absence(absence: Absence, caplog: pytest.LogCaptureFixture) -> None:
    assert not absence.ended(100.0, 100.0 + NOTICED - 0.1, WALL)
    assert not caplog.records
    assert absence.ended(102.0, 112.0, WALL + 12.0)
    (line,) = caplog.records
    assert (line.getMessage(), line.seconds) == ("gateway stood still", 10.0)  # type: ignore[attr-defined]
    assert absence.back_since == 112.0


@pytest.mark.parametrize("by", [86_400.0, -86_400.0, MOVED])
def test_a_clock_that_moved_is_said_once(absence: Absence, caplog: pytest.LogCaptureFixture, by: float) -> None:
    for second in range(10):
        moved = by if second >= 5 else 0.0
        assert not absence.ended(float(second), float(second), WALL + second + moved)
    (line,) = caplog.records
    assert (line.getMessage(), line.seconds) == ("system clock moved", by)  # type: ignore[attr-defined]


def test_a_clock_that_is_corrected_slowly_is_not(absence: Absence, caplog: pytest.LogCaptureFixture) -> None:
    for second in range(100):
        absence.ended(float(second), float(second), WALL + second * 1.05)
    assert not caplog.records


async def test_nobody_is_closed_for_a_silence_that_was_the_gateways(house: House) -> None:
    """What they sent meanwhile may have found a full socket: they have their whole time again."""
    talker, mute, waiting = house.started("talker"), house.started("mute"), house.connect()
    timeout, start = house.config.session.timeout, house.config.session.start_timeout
    due = house.clock.now + 1.0
    house.clock.advance(timeout + 60.0)
    assert house.housekeeping._absence.ended(due, house.clock.now, WALL)
    house.housekeeping.round(house.clock.now, WALL)
    assert [one.ended for one in (talker, mute, waiting)] == [None, None, None]
    house.clock.advance(start + 0.1)
    house.housekeeping.round(house.clock.now, WALL)
    assert waiting.ended is CloseCode.PROTOCOL_ERROR
    talker.heartbeat()
    house.clock.advance(timeout - start)
    house.housekeeping.round(house.clock.now, WALL)
    assert (talker.ended, mute.ended) == (None, CloseCode.IDLE)
