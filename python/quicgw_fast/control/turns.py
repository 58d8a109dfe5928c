"""Whose call is next: callers take turns, and those that are known have places that strangers cannot fill.

A caller is a connection. One whose call was answered is known; one that let its place stand empty, as its message did
not come in time, is a stranger again. Strangers have a quarter of the places, in which they wait for each other. So
whoever opens thousands of calls and sends nothing holds up other strangers, and no service that is at work.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REMEMBERED = 4096
"""Callers that are known; of more the one that was heard of longest ago is a stranger again."""
WAITING = 512
"""Calls of one method and kind of caller that wait; of more, one is refused at once, of the caller that has most."""


class TooManyWaiting(GatewayError):
    """A call is refused, as many wait already."""


class Acquaintances:
    """The callers that are known, of all methods."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._remembered = remembered

    def __contains__(self, caller: str) -> bool:
        return caller in self._known

    def add(self, caller: str) -> bool:
        """A call was answered; return whether the caller was a stranger before."""
        was_stranger = caller not in self._known
        self._known[caller] = None
        self._known.move_to_end(caller)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return was_stranger

    def discard(self, caller: str) -> None:
        """A message did not come in time."""
        self._known.pop(caller, None)


class CallerTurns:
    """The places of one method, for which callers wait in turn, and the calls of each in their order."""

    def __init__(self, places: int, known: Acquaintances, waiting: int = WAITING) -> None:
        """``waiting`` is how many calls of each side may."""
        of_strangers = max(1, places // 4)
        self._known = known
        self._sides = {True: _Side(max(1, places - of_strangers)), False: _Side(of_strangers)}
        """By whether its callers are known."""
        self._most_waiting = waiting

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Wait for a place and have it for the block; raises TooManyWaiting."""
        side = self._sides[caller in self._known]
        if side.free:
            side.free -= 1
        else:
            if side.waiting >= self._most_waiting:
                side.make_room(caller)
            side = await self._turn(caller, side)
        try:
            yield
        finally:
            side.give()

    def welcome(self, caller: str) -> None:
        """The caller has become known: its calls wait among those of its like from now on."""
        strangers, known = self._sides[False], self._sides[True]
        calls = strangers.leave(caller)
        if calls:
            known.join(caller, calls)

    async def _turn(self, caller: str, side: _Side) -> _Side:
        """Wait, and return the side on which there is a place now."""
        turn: asyncio.Future[_Side] = asyncio.get_running_loop().create_future()
        side.join(caller, deque((turn,)))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                for each in self._sides.values():
                    each.forget(caller, turn)
            else:  # it came, and nobody wants it any more
                turn.result().give()
            raise


class _Side:
    """Those who are known, or the strangers."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.waiting = 0
        self._queues: OrderedDict[str, deque[asyncio.Future[_Side]]] = OrderedDict()
        """Waiting calls by caller; whose turn it is comes first."""

    def join(self, caller: str, calls: deque[asyncio.Future[_Side]]) -> None:
        self._queues.setdefault(caller, deque()).extend(calls)
        self.waiting += len(calls)
        for _ in range(min(self.free, len(calls))):
            self.free -= 1
            self.give()

    def make_room(self, caller: str) -> None:
        """Refuse the last call of the caller that has most; raises TooManyWaiting when that is ``caller``."""
        most = max(self._queues, key=lambda each: len(self._queues[each]))
        refused = TooManyWaiting(f"{self.waiting} calls wait for a place")
        if len(self._queues[most]) <= len(self._queues.get(caller, ())) + 1:
            raise refused
        turn = self._queues[most].pop()
        self.waiting -= 1
        if not turn.done():
            turn.set_exception(refused)

    def leave(self, caller: str) -> deque[asyncio.Future[_Side]]:
        calls = self._queues.pop(caller, deque())
        self.waiting -= len(calls)
        return calls

    def forget(self, caller: str, turn: asyncio.Future[_Side]) -> None:
        queue = self._queues.get(caller, ())
        if turn in queue:
            calls = self.leave(caller)
            calls.remove(turn)
            if calls:
                self.join(caller, calls)

    def give(self) -> None:
        """Pass a place on, past those that do not wait any more."""
        while self._queues:
            caller, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            self.waiting -= 1
            if queue:
                self._queues[caller] = queue
            if not turn.done():
                turn.set_result(self)
                return
        self.free += 1
