"""All who are told what happens to sessions, for those who start and stop a gateway."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from quicgw_fast.events.watching import Watches
from quicgw_fast.events.webhooks import Webhooks

if TYPE_CHECKING:
    from quicgw_fast.config import WebhookConfig
    from quicgw_fast.events.log import EventLog
    from quicgw_fast.observe import Metrics

FAREWELL = 2.0
"""Seconds that all of them have at the end to take what they were not told yet."""


class EventOutlets:
    """Those who watch, and those who are sent it."""

    def __init__(self, log: EventLog, metrics: Metrics, webhook: WebhookConfig) -> None:
        """Raises ConfigError when the secret of the webhooks cannot be used."""
        self.watches = Watches(log, metrics)
        self.webhooks = Webhooks(log, metrics, webhook)
        self._log = log

    async def finish(self) -> None:
        """Nothing happens any more: let all of them take the rest, for a moment, then end."""
        self._log.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self.watches.ended()
                await self.webhooks.ended()
        await self.webhooks.stop()
