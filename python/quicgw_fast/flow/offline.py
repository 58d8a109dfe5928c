"""The offline store in the flow: takes pushes to an openid without a session, and has its part in the accounts.

What is handed over when a session ends is in ``handovers``, what comes out of the store in ``stored_messages``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from quicgw_fast.codes import StoreCode
from quicgw_fast.flow.accounts import NO_STORE, StoreShare
from quicgw_fast.flow.deletions import Deletions
from quicgw_fast.flow.handovers import Handovers
from quicgw_fast.flow.store_metrics import register_store
from quicgw_fast.flow.store_tasks import StoreJournal, StoreTasks
from quicgw_fast.flow.stored_messages import StoredMessages
from quicgw_fast.flow.tracking import Tracking
from quicgw_fast.session import MAX_OPENID, ReadingEvent
from quicgw_fast.store import StoreFailed, StoreStats

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import OfflineConfig
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Parcel, Registry, Session
    from quicgw_fast.store import OfflineStore, PutResult

STORE_ROUND = 60.0
"""Seconds between two clean-ups of the store."""
STOP_TIME = 5.0
"""Seconds that the end waits for the store unless told otherwise."""

_log = logging.getLogger("quicgw.offline")


class Offline:
    """The store, and those who work with it; without a store every method does nothing."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        store: OfflineStore | None,
        registry: Registry,
        sender: OrderedSender[Session],
        settings: OfflineConfig,
    ) -> None:
        """As much as the store may hold may be on its way into it at once, of sessions that ended."""
        self._clock = clock
        self._store = store
        self._devices = registry.devices
        self._tasks = StoreTasks()
        self._journal = StoreJournal(clock, metrics)
        self.tracking = tracking = Tracking(clock, metrics, settings.max_age)
        """What becomes of those that somebody asks about, here and elsewhere."""
        self._deletions = Deletions(store, clock, self._tasks.spawn, self._journal.failed)
        self.handovers = Handovers(clock, metrics, store, self._journal, tracking, settings.max_total_bytes)
        """What goes into the store when a session ends."""
        self.stored = StoredMessages(
            clock, store, registry.devices, sender, self._deletions, self._tasks, self._journal, tracking
        )
        """What comes out of it."""
        self._swept = clock.now()
        self._sweeping = False
        self._stopped = False
        self.shared = settings.store == "directory"
        """Whether other gateways have the same store, so that a session that moves goes on with what it was sent."""
        self._outlives = settings.store != "memory"
        """Whether the next process has what is stored."""
        # With what an earlier process left in the store.
        self._before = store.stats() if store is not None else StoreStats()
        if store is not None:
            register_store(metrics, store)

    @property
    def enabled(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    async def put(self, openid: str, body: bytes, parcel: Parcel | None) -> PutResult | None:
        """Store a notify for an openid; None without a store, or for an openid that nobody can have.

        When a session of the openid appeared meanwhile, the message is delivered to it; of several, to one.
        """
        store = self._store
        if store is None or len(openid.encode()) > MAX_OPENID:
            return None
        result = await store.put(openid, body, self._clock.wall(), self.tracking.terms(parcel))
        if result.error_code is StoreCode.FAILED:
            self._journal.not_put()
        if result.stored:
            self.tracking.stored(parcel, result.id, result.replaced)
            self.came(openid)
        return result

    def came(self, openid: str) -> None:
        """Something was stored for an openid, here or by another gateway, whose sessions may be here by now."""
        for session in self._devices.of(openid):
            session.catch_up.apply(ReadingEvent.STORED)
            self.stored.go_on(session)

    def tend(self, now: float) -> None:
        """Try again what failed, and clean up now and then; a disk that hangs holds up nobody who calls this."""
        store = self._store
        if store is None:
            return
        self._deletions.tend(now)
        self.stored.tend(now)
        if now - self._swept >= STORE_ROUND and not self._sweeping:
            self._swept, self._sweeping = now, True
            self._tasks.spawn(self._sweep(store))
        self._journal.flush(now)

    async def _sweep(self, store: OfflineStore) -> None:
        try:
            await store.sweep(self._clock.wall())
        except StoreFailed as error:
            self._journal.failed(error)
        finally:
            self._sweeping = False

    async def stop(self, within: float = STOP_TIME) -> None:
        """Finish what was begun and close the store, in ``within`` seconds: a disk that hangs is left alone."""
        if self._stopped:
            return
        self._stopped = True
        try:
            async with asyncio.timeout(within):
                self._deletions.tend(float("inf"))  # the last chance of what failed before
                await self._tasks.wait()
                if self._store is not None:
                    await self._store.close()
        except TimeoutError:
            fields = {"seconds": within, "pushes": self.handovers.waiting, "deletions": len(self._deletions)}
            _log.error("offline store did not finish in time", extra=fields)
        if not self._outlives:
            self.tracking.store_lost()

    def share(self) -> StoreShare:
        """What the store adds to the accounts."""
        store, handovers = self._store, self.handovers
        if store is None:
            return NO_STORE
        stats, before = store.stats(), self._before
        undeliverable, left = self.stored.undeliverable()
        deleted = stats.deleted - before.deleted
        over = stats.expired - before.expired + stats.superseded - before.superseded
        return StoreShare(
            # What others put and take counts here as far as it is seen: all that is there, and what went from here.
            accepted=stats.messages + deleted + over - handovers.kept,
            delivered=deleted - (undeliverable - left),
            lost=handovers.lost + over + undeliverable,
            waiting=handovers.waiting,
            stored=stats.messages - left,
        )
