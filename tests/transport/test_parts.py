"""The small parts alone: pressure, timers, text."""

from __future__ import annotations

import math
from time import monotonic

import pytest

from quicgw_fast.clock import SystemClock
from quicgw_fast.config import SessionConfig
from quicgw_fast.transport import TransportLimits
from quicgw_fast.transport.pressure import Pressure, Signal
from quicgw_fast.transport.text import format_address
from quicgw_fast.transport.timers import LazyTimer

from .helpers import until


def test_a_listener_keeps_what_is_configured_for_sessions() -> None:
    limits = TransportLimits.of(SessionConfig(slow_consumer_after=60.0, timeout=100.0, memory=1 << 30))
    assert (limits.stall_timeout, limits.idle_timeout, limits.backlog) == (60.0, 105.0, 1 << 30)


def test_pressure() -> None:
    pressure = Pressure(TransportLimits(high_water=100, low_water=20, stall_timeout=10.0))
    assert pressure.look(100, 0, now=0.0) is Signal.NONE
    assert not pressure.owed
    assert pressure.look(101, 0, now=1.0) is Signal.NONE
    assert (pressure.owed, pressure.deadline) == (True, 11.0)
    assert pressure.look(500, 1, now=10.9) is Signal.NONE  # one byte of progress
    assert pressure.deadline == 20.9
    assert pressure.look(50, 500, now=12.0) is Signal.NONE
    assert (pressure.owed, pressure.deadline) == (True, math.inf)
    assert pressure.look(101, 500, now=30.0) is Signal.NONE
    assert pressure.look(20, 600, now=31.0) is Signal.WRITABLE
    assert pressure.look(0, 620, now=32.0) is Signal.NONE
    assert pressure.look(101, 620, now=40.0) is Signal.NONE
    assert pressure.look(101, 620, now=50.0) is Signal.STALLED


async def test_a_lazy_timer_only_moves_forward() -> None:
    fired: list[float] = []
    timer = LazyTimer(SystemClock().call_later, lambda: fired.append(monotonic()))
    now = monotonic()
    timer.set(now + 0.02, now)
    timer.set(now + 5.0, now)
    await until(lambda: fired)
    assert 0.02 <= fired[0] - now < 4.0
    timer.set(now + 9.0, now)
    timer.set(now - 1.0, now)
    await until(lambda: len(fired) == 2)
    timer.set(now, now)
    timer.cancel()
    timer.cancel()
    timer.set(monotonic() + 0.01, monotonic())
    await until(lambda: len(fired) == 3)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("192.0.2.1", 5), "192.0.2.1:5"),
        (("2001:db8::1", 5, 0, 0), "[2001:db8::1]:5"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1:5"),
        (("fe80::1%eth0", 5, 0, 2), "[fe80::1]:5"),
        (("host\nname", 5), "host\\nname:5"),
        (None, "unknown"),
    ],
)
def test_addresses_as_text(address: object, text: str) -> None:
    assert format_address(address) == text
