"""Work that ends with a call: what is told, and that nothing is told of what was cancelled."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import completions

if TYPE_CHECKING:
    from quicgw_fast.completions import Done


class Work:
    """Work whose end is the test's to tell."""

    def __init__(self) -> None:
        self.done: Done[str]
        self.cancelled = 0

    def start(self, done: Done[str]) -> Work:
        self.done = done
        return self

    def cancel(self) -> None:
        self.cancelled += 1


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_end_of_a_coroutine_is_told_once_and_never_before_its_beginning_returned() -> None:
    async def work() -> str:
        return "result"

    told: list[str | Exception] = []
    completions.begin(work(), told.append, "work")
    assert told == []
    await turns()
    assert told == ["result"]


async def test_the_exception_that_ended_a_coroutine_is_told() -> None:
    async def work() -> str:
        raise ZeroDivisionError

    told: list[str | Exception] = []
    completions.begin(work(), told.append, "work")
    await turns()
    assert [type(outcome) for outcome in told] == [ZeroDivisionError]


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_nothing_is_told_of_a_coroutine_that_was_cancelled(after: int) -> None:
    """However far it had come, also when its end was about to be told."""
    entered = []

    async def work() -> str:
        entered.append(1)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            entered.append(2)
            raise
        return "result"

    told: list[str | Exception] = []
    begun = completions.begin(work(), told.append, "work")
    for _ in range(after):
        await asyncio.sleep(0)
    before = list(told)
    begun.cancel()
    begun.cancel()
    await turns()
    assert told == before
    assert entered == ([] if after == 0 else [1, 2] if after == 1 else [1])


async def test_a_coroutine_that_is_cancelled_by_others_tells_nothing() -> None:
    async def work() -> str:
        raise asyncio.CancelledError

    told: list[str | Exception] = []
    completions.begin(work(), told.append, "work")
    await turns()
    assert told == []


async def test_work_can_be_waited_for() -> None:
    work = Work()
    waiting = asyncio.create_task(completions.result(work.start))
    await turns()
    work.done("result")
    assert await waiting == "result"
    assert work.cancelled == 0


async def test_waiting_raises_what_ended_the_work() -> None:
    work = Work()
    waiting = asyncio.create_task(completions.result(work.start))
    await turns()
    work.done(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await waiting


async def test_whoever_stops_waiting_cancels_the_work() -> None:
    work = Work()
    waiting = asyncio.create_task(completions.result(work.start))
    await turns()
    waiting.cancel()
    work.done("too late, in the same turn")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cancelled == 1


async def test_work_that_does_not_begin_raises_to_whoever_waits() -> None:
    def start(done: Done[str]) -> Work:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await completions.result(start)


async def test_both_ways_after_one_another_change_nothing() -> None:
    async def work() -> str:
        return "result"

    assert await completions.result(functools.partial(completions.begin, work(), name="work")) == "result"
