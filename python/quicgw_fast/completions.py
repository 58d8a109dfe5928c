"""Work that ends with a call instead of being awaited, and the two ways between that form and coroutines.

Whoever begins such work gives it a ``Done`` and gets a ``Cancellable``. ``Done`` is called once, never before that,
with what the work came to or with the exception that ended it, unless it was cancelled. So what is
done for every request costs no coroutine and no task of the loop; what is done seldom stays a coroutine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

R = TypeVar("R")

Done: TypeAlias = Callable[[R | Exception], object]


class Cancellable(Protocol):
    """Work under way."""

    def cancel(self) -> object:
        """Give it up: nobody is told of it any more. Nothing for work that has ended."""


def begin(work: Coroutine[None, None, R], done: Done[R], name: str) -> Cancellable:
    """Run a coroutine, in a task of that name, as work that ends with a call."""
    return _Begun(asyncio.create_task(work, name=name), done)


class _Begun(Generic[R]):
    """A task, and whoever is told of its end."""

    __slots__ = ("_done", "_task")

    def __init__(self, task: asyncio.Task[R], done: Done[R]) -> None:
        self._task = task
        self._done: Done[R] | None = done
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        self._done = None
        self._task.cancel()

    def _ended(self, task: asyncio.Task[R]) -> None:
        if self._done is None or task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._done(task.result())
        elif isinstance(error, Exception):
            self._done(error)


async def result(start: Callable[[Done[R]], Cancellable]) -> R:
    """Wait for work that ``start`` begins, and return or raise what it comes to; a cancellation is passed on."""
    ended: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def done(outcome: R | Exception) -> None:
        if ended.done():  # cancelled in this turn
            return
        if isinstance(outcome, Exception):
            ended.set_exception(outcome)
        else:
            ended.set_result(outcome)

    work = start(done)
    try:
        return await ended
    except asyncio.CancelledError:
        work.cancel()
        raise
