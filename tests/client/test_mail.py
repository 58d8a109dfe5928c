"""What the application's callbacks raise, and what was posted behind them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quicgw_fast.client.home import OtherLoop


class Odd(BaseException):
    """What no callback is expected to raise."""


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, GeneratorExit, Odd])
async def test_whatever_a_callback_raises_is_told_and_the_next_is_called(kind: type[BaseException]) -> None:
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    home, reached = OtherLoop(loop), asyncio.Event()

    def fails() -> None:
        raise kind("mine")

    home.tell("on_state failed", fails)
    home.tell("never", reached.set)
    await asyncio.wait_for(reached.wait(), 5)
    assert [(one["message"], type(one["exception"])) for one in told] == [("on_state failed", kind)]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_loses_nothing_behind_it(kind: type[BaseException]) -> None:
    loop = asyncio.new_event_loop()
    home, reached = OtherLoop(loop), asyncio.Event()

    def ends() -> None:
        raise kind

    home.tell("never", ends)
    home.tell("never", reached.set)
    with pytest.raises(kind):
        loop.run_forever()
    loop.run_until_complete(asyncio.wait_for(reached.wait(), 5))
    loop.close()
