"""What a channel writes into its instance, and whom it tells: the same for every maker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from quicgw_fast.upstream.errors import UpstreamFailed

if TYPE_CHECKING:
    from quicgw_fast.upstream.instance import Instance
    from quicgw_fast.upstream.seam import ChannelListener


class ChannelHealth:
    """The state of the connection; the listener is told when the instance becomes healthy, and when it does not."""

    def __init__(self, instance: Instance, listener: ChannelListener) -> None:
        self._instance = instance
        self._listener = listener
        self._connected = asyncio.Event()

    @property
    def would_be_news(self) -> bool:
        """Whether a failed attempt to connect tells anything that is not known already."""
        return self._instance.healthy or not self._instance.tried

    def up(self) -> None:
        """It is connected."""
        instance = self._instance
        was_healthy = instance.healthy
        instance.connected = instance.healthy = instance.tried = instance.reached = True
        instance.reason = ""
        self._connected.set()
        if not was_healthy:
            self._listener.channel_up(instance)

    def disconnected(self) -> None:
        """It is not connected; whether it is healthy still, the next attempt tells."""
        self._instance.connected = False
        self._connected.clear()

    def down(self, cause: str) -> None:
        """An attempt to connect failed, which was news."""
        self._instance.reason = cause
        self._instance.healthy = False
        self._instance.tried = True
        self._listener.channel_down(self._instance)

    async def wait_reached(self, seconds: float) -> None:
        """Wait until it is connected, at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._connected.wait()


class CallsUnderWay:
    """Counts the calls of an instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._none = asyncio.Event()
        self._none.set()

    def begin(self) -> None:
        """One more is under way."""
        self._instance.in_flight += 1
        self._none.clear()

    def end(self, outcome: object = None) -> None:
        """One is not any more; ``outcome`` is what it came to."""
        instance = self._instance
        instance.in_flight -= 1
        if not instance.in_flight:
            self._none.set()
        # The last thing heard of an instance that is down, which may say more than the first.
        if isinstance(outcome, UpstreamFailed) and not instance.healthy:
            instance.reason = outcome.cause

    async def ended(self) -> None:
        """Wait until there is none."""
        await self._none.wait()
