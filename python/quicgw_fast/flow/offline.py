"""Pushes to an openid without a session: kept in the store, delivered at login, deleted when acknowledged."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from quicgw_fast._proto.client_pb2 import BusinessResponse
from quicgw_fast.backend.errors import Overflowed, WindowFull
from quicgw_fast.frame import parse_pushes
from quicgw_fast.session import State
from quicgw_fast.store import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from quicgw_fast._proto.client_pb2 import ServerPush
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.session import Session
    from quicgw_fast.store import OfflineStore, PutResult, Stored

ALL = 1 << 40
"""More bytes than any window holds."""
STORE_ROUND = 60.0
"""Seconds between two clean-ups of the store."""

_log = logging.getLogger("quicgw.offline")


def offline_id() -> dict[str, str]:
    """The header by which a client recognises a stored message that it gets a second time."""
    return {"offline-id": secrets.token_hex(8)}


class Offline:
    """Moves messages from the offline store into sessions; without a store every method does nothing.

    A message leaves the store only when its client acknowledged it: until then a crash of the gateway, or an end of
    the session, costs nothing but a second delivery, recognisable by its header ``offline-id``.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._running: set[asyncio.Task[object]] = set()
        self._swept = parts.clock()
        self._sweeping = False

    async def put(self, openid: str, body: bytes) -> PutResult | None:
        """Store a notify for an openid; None without a store.

        When a session of the openid appeared meanwhile, the message is delivered to it.
        """
        store = self._parts.store
        if store is None:
            return None
        result = await store.put(openid, body, self._parts.wall())
        session = self._parts.registry.by_openid(openid)
        if session is not None and result.stored:
            session.store_changed = True
            if session.state is State.NORMAL:
                self._spawn(self._catch_up(session))
        return result

    async def fetch(self, session: Session) -> list[Stored] | None:
        """Read what is stored for the session's openid, oldest first; None when it cannot be read now."""
        store = self._parts.store
        if store is None:
            return []
        try:
            while True:
                session.store_changed = False
                messages = await store.load(session.openid, self._parts.wall())
                if not session.store_changed:  # else something was put meanwhile, by who saw no session yet
                    return messages
        except StoreFailed:  # no reason to refuse a login: the messages stay where they are
            session.store_changed = True
            _log.exception("stored messages could not be read", extra={"session": session.id})
            return None

    def deliver(self, session: Session, messages: list[Stored] | None) -> None:
        """Push what was fetched and not sent before, in order, as far as the window allows."""
        if messages is None:
            return  # acknowledged() comes back for them
        for stored in messages:
            if stored.id <= session.stored_up_to:
                continue
            try:
                self._parts.sender.push(session, stored.body)
            except WindowFull:
                session.store_changed = True  # acknowledged() comes back for the rest
                return
            except Overflowed:
                return
            session.stored_ids[session.outbox.last_seq] = session.stored_up_to = stored.id

    def acknowledged(self, session: Session) -> None:
        """Delete from the store what the client now has."""
        acked = session.outbox.acked_seq
        ids = [stored_id for seq, stored_id in session.stored_ids.items() if seq <= acked]
        if ids:
            session.stored_ids = {seq: i for seq, i in session.stored_ids.items() if seq > acked}
            self._spawn(self._delete(session, ids))
        elif session.store_changed and session.state is State.NORMAL:
            self._spawn(self._catch_up(session))

    def received(self, openid: str, stored_ids: dict[int, int], up_to: int) -> None:
        """Delete what a client says to have of a session that cannot go on."""
        ids = [stored_id for seq, stored_id in stored_ids.items() if seq <= up_to]
        store = self._parts.store
        if ids and store is not None:
            self._spawn(store.delete(openid, ids))

    def salvage(self, session: Session) -> None:
        """Store what a session that is about to end was promised to deliver and never handed to a connection.

        That is what was pushed while it had none, and what was cached for a login that never came.
        """
        if self._parts.store is None or session.outbox.overflowed:
            return
        self._parts.sender.release(session)  # numbers them, so that they can be read back like the others
        bodies = [
            self._storable(push)
            for push in parse_pushes(session.outbox.replay(session.cursor, ALL)[0])
            if not push.msg_id and push.seq_id not in session.stored_ids
        ]
        if bodies:
            self._spawn(self._put_all(session.openid, bodies))

    def _storable(self, push: ServerPush) -> bytes:
        notify = BusinessResponse.FromString(push.payload)
        return bytes(
            self._parts.engine.encode_body(
                push.type, notify.code, notify.message, notify.data, {**push.headers, **offline_id()}
            )
        )

    async def _put_all(self, openid: str, bodies: list[bytes]) -> None:
        for body in bodies:
            result = await self.put(openid, body)
            if result is not None and not result.stored:
                _log.warning("a retained push is lost", extra={"openid": openid, "why": result.message})

    def tend(self, now: float) -> None:
        """Clean up the store now and then, beside everything else: a disk that hangs holds up no upkeep."""
        store = self._parts.store
        if store is not None and now - self._swept >= STORE_ROUND and not self._sweeping:
            self._swept, self._sweeping = now, True
            self._spawn(self._sweep(store))

    async def _sweep(self, store: OfflineStore) -> None:
        try:
            await store.sweep(self._parts.wall())
        finally:
            self._sweeping = False

    async def stop(self) -> None:
        """Finish what was begun and close the store."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)  # _done has logged them
        if self._parts.store is not None:
            await self._parts.store.close()

    async def _delete(self, session: Session, ids: list[int]) -> None:
        if self._parts.store is not None:
            await self._parts.store.delete(session.openid, ids)
        if session.store_changed and session.state is State.NORMAL:
            await self._catch_up(session)

    async def _catch_up(self, session: Session) -> None:
        messages = await self.fetch(session)
        if session.state is State.NORMAL:
            self.deliver(session, messages)

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work, name="offline")
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("the offline store failed", exc_info=task.exception())
