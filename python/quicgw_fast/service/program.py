"""A program that is a service and nothing else: signals, the line that says it is ready, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from quicgw_fast.service.errors import ServiceMistake, ServiceNotStarted

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import FrameType

    from quicgw_fast.service.running import RunningService

NOT_STARTED = 3
"""The exit status of what could not start, as of every command of the gateway."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_program(service: AbstractAsyncContextManager[RunningService]) -> None:
    """Run until the first signal, and return when the service has stopped; SystemExit where it cannot start."""
    try:
        left = asyncio.run(_until_signal(service))
    except (ServiceMistake, ServiceNotStarted) as error:
        print(f"the service cannot start: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(NOT_STARTED) from None
    if left:  # plain handlers that still run: Python would wait for their threads for ever
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


async def _until_signal(service: AbstractAsyncContextManager[RunningService]) -> int:
    """Return how many plain handlers were still running at the end."""
    came = asyncio.Event()
    loop = asyncio.get_running_loop()

    def arrived(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        # The interpreter's handler and not the loop's: a loop that hangs would never look at it.
        if came.is_set():
            os._exit(128 + number)
        came.set()
        loop.call_soon_threadsafe(lambda: None)

    before = {number: signal.signal(number, arrived) for number in _SIGNALS}
    try:
        async with service as running:
            ready = asyncio.create_task(_say_ready(running))
            await came.wait()
            ready.cancel()
        return running.busy_threads
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _say_ready(running: RunningService) -> None:
    await running.registered()
    print(f"ready {running.address}", flush=True)  # noqa: T201
