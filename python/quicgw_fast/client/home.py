"""Where the application's own code runs: what it gave to `connect` to be called, and who waits for results.

A client does its work in an event loop. That is the application's (``SameLoop``), or one in a thread of its own; then
the application has another (``OtherLoop``) and can take its time: nothing that it does holds the connection up.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Protocol, TypeVar

from quicgw_fast.client.mail import Mailbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Home(Protocol):
    """How the client's own loop reaches the application."""

    def tell(self, what: str, work: Callable[[], object]) -> None:
        """Call ``work``, in the order of all calls; what it raises goes to the loop's exception handler as ``what``."""

    async def ask(self, work: Callable[[], T | Awaitable[T]]) -> T:
        """Return what ``work`` returns, or what that gives when it is awaited; what it raises comes out of here."""


class SameLoop:
    """The client runs in the application's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def tell(self, what: str, work: Callable[[], object]) -> None:
        """Call it now."""
        call_theirs(self._loop, what, work)

    async def ask(self, work: Callable[[], T | Awaitable[T]]) -> T:
        """Call it now, and wait here."""
        return await result_of(work)


class OtherLoop:
    """The client runs in a thread of its own, the application in another loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.mail = Mailbox(loop)

    def tell(self, what: str, work: Callable[[], object]) -> None:
        """Leave it to the application's loop, when that has the time."""
        self.mail.post(call_theirs, self.loop, what, work)

    async def ask(self, work: Callable[[], T | Awaitable[T]]) -> T:
        """Wait until the application's loop has done it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(result_of(work), self.loop))


def call_theirs(loop: asyncio.AbstractEventLoop, what: str, work: Callable[[], object]) -> None:
    """Call what is the application's: it may raise anything."""
    try:
        work()
    except (SystemExit, KeyboardInterrupt):
        raise  # it ends the program, as it would from any callback of a loop
    except BaseException as error:
        loop.call_exception_handler({"message": what, "exception": error})


async def result_of(work: Callable[[], T | Awaitable[T]]) -> T:
    """Call a plain function or a coroutine function."""
    result = work()
    if inspect.isawaitable(result):
        return await result
    return result
