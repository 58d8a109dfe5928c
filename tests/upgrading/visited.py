"""Clients of a gateway that is upgraded: they log in, and come back to the same port."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.support import raw_client

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient


class Visited:
    """Whoever has one says where it is, ``quic``; its clients end with ``_stack``."""

    within = 20.0
    """Seconds for what a client waits for."""

    def __init__(self) -> None:
        self._stack = contextlib.AsyncExitStack()

    @property
    def quic(self) -> tuple[str, int]:
        raise NotImplementedError

    async def online(self, openid: str, next_msg: int = 1, **start: Any) -> RawClient:
        """A client that is logged in, or goes on with a session that is."""
        client = await raw_client.connect(*self.quic, within=self.within)
        self._stack.push_async_callback(client.bury)
        client.next_msg = next_msg
        started = await client.start(openid, **start)
        assert started.success, started
        if not started.resumed:
            await client.hello()
        return client

    async def back(self, client: RawClient) -> RawClient:
        """The same client again, once its connection was closed; it has not acknowledged anything."""
        await client.wait_closed(within=self.within)
        before = client.started
        assert before is not None
        last = max((push.seq_id for push in client.log), default=0)
        named = {"session_id": before.connection_id, "epoch": before.epoch}
        again = await self.online(client.openid, client.next_msg, last_acked=last, **named)
        assert again.started is not None
        assert again.started.resumed, again.started
        again.next_seq = again.started.max_client_seq + 1
        return again
