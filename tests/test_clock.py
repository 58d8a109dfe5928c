"""The system's clock: two times, and calls that are due later."""

from __future__ import annotations

import asyncio
import time

from quicgw_fast.clock import SteadyClock, SystemClock
from tests.support.clock import Clock


def test_both_times_are_the_systems() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.monotonic()) < 1.0
    assert abs(clock.wall() - time.time()) < 1.0


async def test_a_call_that_is_due_comes_and_a_cancelled_one_does_not() -> None:
    clock, called = SystemClock(), asyncio.Event()
    cancelled = clock.call_later(0.0, lambda: called.set() or 1 / 0)
    cancelled.cancel()
    clock.call_later(0.01, called.set)
    before = clock.now()
    await asyncio.wait_for(called.wait(), 5.0)
    assert clock.now() - before >= 0.009


async def test_a_steady_clock_does_not_move_with_the_systems() -> None:
    system = Clock()
    steady, called = SteadyClock(system.face), asyncio.Event()
    assert (steady.now(), steady.wall()) == (system.now, system.wall)
    steady.call_later(5.0, called.set)
    before = system.wall
    system.wall += 365 * 86_400.0
    system.advance(10.0)
    assert steady.wall() == before + 10.0
    assert steady.now() == system.now
    assert called.is_set()
