"""Waiting in a thread that does not hold up the end of the process, as those of an event loop's pool do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Result = TypeVar("Result")


async def in_daemon(work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, or raise what it raises; cancelled, nobody waits for it any more."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Result] = loop.create_future()

    def settle(value: Result | None, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def do() -> None:
        value, problem = None, None
        try:
            value = work()
        except BaseException as error:
            problem = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, problem)

    threading.Thread(target=do, name="quicgw input", daemon=True).start()
    return await result
