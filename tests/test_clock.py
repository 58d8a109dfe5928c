"""The system's clock: two times, and calls that are due later."""

from __future__ import annotations

import asyncio
import time

from quicgw_fast.clock import SystemClock


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
