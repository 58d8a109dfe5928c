"""Places for calls: in turn between callers, and out of reach of strangers for those that are known."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.control.turns import Acquaintances, CallerTurns, TooManyWaiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Calls:
    """Calls of several callers, each held until it is let go."""

    def __init__(self, turns: CallerTurns) -> None:
        self.turns = turns
        self.inside: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def begin(self, *names: str) -> None:
        """Begin calls; the first letter of the name is the caller."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._call(name))
        await rounds()

    async def _call(self, name: str) -> None:
        async with self.turns.place(name[0]):
            self.inside.append(name)
            await self._ends[name].wait()
            self.inside.remove(name)

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
        await rounds()

    async def give_up(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
        await rounds()

    async def leave(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def calls(places: int, known: str = "", waiting: int = 100) -> AsyncIterator[tuple[Calls, Acquaintances]]:
    acquaintances = Acquaintances()
    for caller in known:
        acquaintances.add(caller)
    made = Calls(CallerTurns(places, acquaintances, waiting))
    try:
        yield made, acquaintances
    finally:
        await made.leave()


async def test_callers_take_turns_however_many_calls_they_have() -> None:
    async with calls(4, known="ab") as (at, _):
        await at.begin("a1", "a2", "a3", "a4", "a5", "b1")
        assert at.inside == ["a1", "a2", "a3"], "a quarter of the places is for strangers"
        await at.end("a1")
        assert at.inside == ["a2", "a3", "a4"]
        await at.end("a2")
        assert at.inside == ["a3", "a4", "b1"], "its turn came before the fifth of the other"


async def test_strangers_have_a_quarter_of_the_places() -> None:
    async with calls(8, known="k") as (at, _):
        await at.begin("s1", "s2", "s3", "t1", "k1", "k2")
        assert at.inside == ["s1", "s2", "k1", "k2"]
        await at.end("s1", "s2")
        assert at.inside == ["k1", "k2", "s3", "t1"]


async def test_who_becomes_known_takes_its_waiting_calls_along() -> None:
    async with calls(4) as (at, known):
        await at.begin("a1", "a2", "a3", "b1")
        assert at.inside == ["a1"]
        assert known.add("a")
        at.turns.welcome("a")
        at.turns.welcome("c")
        await rounds()
        assert at.inside == ["a1", "a2", "a3"]
        await at.end("a1")
        assert at.inside == ["a2", "a3", "b1"], "the place of a stranger goes to a stranger"


async def test_calls_that_are_given_up_take_no_place() -> None:
    async with calls(4, waiting=3) as (at, _):
        await at.begin("a1", "a2", "b1", "a3")
        with pytest.raises(TooManyWaiting, match="3 calls wait"):
            async with at.turns.place("b"):
                pass
        with pytest.raises(TooManyWaiting):
            async with at.turns.place("a"):
                pass
        await at.give_up("a2", "b1")
        await at.begin("c1")
        await at.end("a1")
        assert at.inside == ["a3"]
        await at.end("a3")
        assert at.inside == ["c1"]


async def test_when_too_many_wait_the_caller_with_most_loses_its_last_call() -> None:
    async with calls(4, waiting=4) as (at, _):
        await at.begin("a1", "a2", "a3", "a4", "a5")
        await at.begin("b1")
        with pytest.raises(TooManyWaiting):
            await at._tasks["a5"]
        await at.end("a1", "a2")
        assert at.inside == ["b1"], "the turn of the other came all the same"
        await at.end("b1")
        assert at.inside == ["a3"]


async def test_a_place_that_came_too_late_goes_to_the_next_one() -> None:
    async with calls(4) as (at, _):
        await at.begin("a1", "b1", "c1")
        at._ends["a1"].set()
        await asyncio.sleep(0)
        await at.give_up("b1")  # in the same turn of the loop as its place came
        assert at.inside == ["c1"]
        await at.end("c1")
        await at.begin("d1")
        assert at.inside == ["d1"]


async def test_only_so_many_callers_are_remembered() -> None:
    known = Acquaintances(2)
    assert [known.add(caller) for caller in "abac"] == [True, True, False, True]
    assert [caller in known for caller in "abc"] == [True, False, True]
    known.discard("a")
    known.discard("never there")
    assert "a" not in known
