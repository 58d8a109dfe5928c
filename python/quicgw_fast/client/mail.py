"""Work for another thread's event loop, in order, with one wake-up for all that comes before it looks."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVarTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

Ts = TypeVarTuple("Ts")


class Mailbox:
    """Calls that other threads post to one loop.

    No lock is needed: ``append`` and ``popleft`` are atomic, and the flag is lowered before anything is taken. Whoever
    posts after that raises it again; two who do so at once wake the loop once too often, which does no harm.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], object]] = deque()
        self._woken = False
        """A wake-up is on its way, and the loop has not looked yet."""

    def post(self, work: Callable[[*Ts], object], *arguments: *Ts) -> None:
        """Have ``work`` called in the loop; from any thread. Where that loop is closed, nobody is left to care."""
        self._waiting.append(partial(work, *arguments))
        if not self._woken:
            self._wake()

    def _wake(self) -> None:
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._take)
        except RuntimeError:  # it is closed
            self._waiting.clear()

    def _take(self) -> None:
        self._woken = False
        for _ in range(len(self._waiting)):
            work = self._waiting.popleft()
            try:
                work()
            except (SystemExit, KeyboardInterrupt):
                self._wake()  # a loop that is run on after that has the rest before it
                raise
            except BaseException as error:
                self._loop.call_exception_handler({"message": "what was posted to a loop failed", "exception": error})
