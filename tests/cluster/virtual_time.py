"""An event loop whose time passes only when nobody has anything to do, and then at once."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class _NoSockets(selectors.DefaultSelector):
    """Nothing ever comes from outside: to wait is to move the time."""

    moved = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits for ever"
        self.moved += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self._moving = _NoSockets()
        super().__init__(self._moving)

    def time(self) -> float:
        return 1000.0 + self._moving.moved


class VirtualClock:
    """The loop's time as the gateway's parts take it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.now = loop.time
        self.call_later = loop.call_later

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now()


def run(main: Coroutine[None, None, None], loop: VirtualLoop) -> None:
    """Run it to its end, and see to it that nothing is left."""
    try:
        loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
