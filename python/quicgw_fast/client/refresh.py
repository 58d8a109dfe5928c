"""A fresh token for a session that goes on: by hand, or by itself before the old one expires."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from quicgw_fast.client.errors import CallTimeout, QuicgwClientError, ReplyError
from quicgw_fast.client.heartbeats import LinkLost
from quicgw_fast.client.tokens import refresh_delay
from quicgw_fast.client.wire import REFRESHED_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.client.heartbeats import Heartbeats
    from quicgw_fast.client.messages import ClientStats
    from quicgw_fast.client.tokens import ClientTokens

_log = logging.getLogger("quicgw.client")


class Refresher:
    """Sends a token in a heartbeat (header ``auth-token``) and waits for the gateway's answer.

    ``timeout`` are the seconds that an automatic refresh may take.
    """

    def __init__(self, tokens: ClientTokens, stats: ClientStats, timeout: float) -> None:
        self._tokens = tokens
        self._stats = stats
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._heartbeats: Heartbeats | None = None
        """Those of the connection on which START was accepted, None while there is none."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._expires_at = 0.0
        self._starts: set[asyncio.Future[str]] = set()
        """Refreshes that wait for the next START, each for the token that it had."""
        self._ended: Callable[[], QuicgwClientError] | None = None
        """Makes the error of whoever still waits; None while the client lives."""

    async def refresh(self, token: str | None, limit: float) -> None:
        """Make ``token`` (None: one from the token source) count for this session, within ``limit`` seconds.

        Without a connection, or when it is lost meanwhile, the next START does it. Raises ReplyError
        (401) when the gateway refuses the token; a fixed token is then the old one again.
        """
        scope = asyncio.timeout(limit if limit < math.inf else None)
        try:
            async with scope:
                fresh = await self._tokens.fresh() if token is None else token
                old = self._tokens.replace(fresh)
                try:
                    await self._announce(fresh)
                except ReplyError:
                    self._tokens.restore(fresh, old)
                    raise
        except TimeoutError as error:
            if not scope.expired():  # the token source's own, or an answer that is a TimeoutError as well (504)
                raise
            raise CallTimeout("refresh_token", limit) from error
        self._stats.refreshes += 1

    async def _announce(self, token: str) -> None:
        while True:
            try:
                headers = await self._heartbeats.refresh(token) if self._heartbeats is not None else None
            except LinkLost:
                headers = None
            if headers is not None:
                if headers.get(REFRESHED_HEADER) != "ok":
                    raise QuicgwClientError("the gateway did not take the token: it cannot refresh one")
                return
            if await self._next_start() == token:
                return
            # That START was on its way with an older token, or took another one from the token source.

    async def _next_start(self) -> str:
        """Wait for the next START; returns the token that it had."""
        if self._ended is not None:
            raise self._ended()
        start: asyncio.Future[str] = self._loop.create_future()
        self._starts.add(start)
        try:
            return await start
        finally:
            self._starts.discard(start)

    # Automatic refresh

    def plan(self, expires_in: float | None) -> None:
        """The token lives ``expires_in`` seconds more: refresh it in time if that is possible."""
        if expires_in is None or not self._tokens.renewable:
            return
        self._expires_at = self._loop.time() + expires_in
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(refresh_delay(expires_in), self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._refresh_in_time())

    async def _refresh_in_time(self) -> None:
        try:
            await self.refresh(None, self._timeout)
        except Exception as error:  # the token source is the application's: it may raise anything
            _log.warning("token not refreshed", extra={"reason": str(error)})
            left = self._expires_at - self._loop.time()
            if left > 0:
                self.plan(left)

    # What the connection does

    def connected(self, heartbeats: Heartbeats, token: str) -> None:
        """START was accepted, with ``token``."""
        self._heartbeats = heartbeats
        for start in self._starts:
            if not start.done():
                start.set_result(token)

    def disconnected(self) -> None:
        """The next START brings a fresh token anyway."""
        self._heartbeats = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self, error: Callable[[], QuicgwClientError]) -> None:
        """The client ended."""
        self._ended = error
        self.disconnected()
        for start in self._starts:
            if not start.done():
                start.set_exception(error())
