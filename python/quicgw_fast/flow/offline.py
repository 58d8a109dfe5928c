"""Pushes to an openid without a session: kept in the store, delivered at login, deleted when acknowledged."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FrameTooLarge, Overflowed, WindowFull
from quicgw_fast.flow.accounts import NO_STORE, StoreShare
from quicgw_fast.flow.deletions import Deletions
from quicgw_fast.flow.handovers import Handovers
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.session import MAX_OPENID, ReadingEvent, SessionState
from quicgw_fast.store import StoreFailed, StoreStats

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from quicgw_fast.clock import Clock
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import CatchUp, Registry, Session
    from quicgw_fast.store import OfflineStore, PutResult, Stored

LONGEST_READ = 1.0
"""Seconds that a login waits for what is stored; what comes later is delivered when it comes."""
MAX_READS = 4096
"""Reads under way at most: while a disk hangs, sessions that come and go must not pile them up."""
READ_AGAIN = 1.0
"""Seconds before a read that failed is tried again."""
STORE_ROUND = 60.0
"""Seconds between two clean-ups of the store."""
STOP_TIME = 5.0
"""Seconds that the end waits for the store unless told otherwise."""

_log = logging.getLogger("quicgw.offline")


class Offline:
    """Moves messages from the offline store into sessions; without a store every method does nothing.

    A message leaves the store only when its client acknowledged it: until then a crash of the gateway, or an end of
    the session, costs nothing but a second delivery, recognisable by its header ``offline-id``.

    While a session is ``behind``, not all that is stored for it was sent. What is pushed to it meanwhile is held, as
    before the login, and released behind it: the older ones come first, however slow the store is.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        store: OfflineStore | None,
        registry: Registry,
        sender: OrderedSender[Session],
    ) -> None:
        self._clock = clock
        self._count_store_failures = metrics.counter("store_failures", "Operations of the offline store that failed")
        self._store = store
        self._registry = registry
        self._sender = sender
        self._running: set[asyncio.Task[object]] = set()
        self._repeats = RepeatLog(_log)
        self.handovers = Handovers(clock, metrics, store, self._repeats)
        self._deletions = Deletions(store, clock, self._spawn, self._failed)
        self._unread: set[Session] = set()
        """Sessions that are behind and for whom no acknowledgement may ever come."""
        self._read_again = 0.0
        self._swept = clock.now()
        self._sweeping = False
        self._stopped = False
        self._undeliverable = 0
        self._undeliverable_left: dict[int, str] = {}
        """Of these, id and openid of those that were not deleted yet."""
        # With what an earlier process left in the store.
        self._before = store.stats() if store is not None else StoreStats()

    @property
    def enabled(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    # Into the store

    async def put(self, openid: str, body: bytes) -> PutResult | None:
        """Store a notify for an openid; None without a store, or for an openid that nobody can have.

        When a session of the openid appeared meanwhile, the message is delivered to it.
        """
        store = self._store
        if store is None or len(openid.encode()) > MAX_OPENID:
            return None
        result = await store.put(openid, body, self._clock.wall())
        session = self._registry.by_openid(openid)
        if session is not None and result.stored:
            session.catch_up.apply(ReadingEvent.STORED)
            self._go_on(session)
        return result

    def unsent(self, session: Session) -> list[bytes]:
        """What the store is to keep of a session that is about to end: what no connection ever took.

        Of what one took nobody can know whether the client has it; the gap report leaves that to the client.
        """
        return [] if self._store is None else session.outbox.unsent(session.handed)

    # Out of it

    async def fetch(self, session: Session, within: float) -> list[Stored] | None:
        """Read for a login what is stored, oldest first; None when that fails or takes longer than ``within`` seconds.

        Then the session stays behind and gets it later.
        """
        store = self._store
        catch_up = session.catch_up
        if store is None or (session.state is SessionState.NORMAL and not catch_up.behind):
            return []
        if catch_up.reading:
            return None
        if len(self._running) >= MAX_READS:
            catch_up.apply(ReadingEvent.FAILED)
            return None
        reading = self._begin_reading(store, session)
        await asyncio.wait([reading], timeout=max(0.0, min(within, LONGEST_READ)))
        if reading.done():
            return _result(reading)
        reading.add_done_callback(lambda _: self._came_late(session, reading))
        return None

    def deliver(self, session: Session, messages: list[Stored] | None) -> None:
        """Push what was fetched and not sent before, in order, as far as there is room; then what was held behind."""
        catch_up = session.catch_up
        if not catch_up.behind:
            self._sender.release(session)
            return
        if messages is None:
            if not catch_up.reading:  # else it comes late
                self._unread.add(session)
            return
        for stored in messages:
            if stored.id > catch_up.sent_up_to and not self._push(session, stored):
                catch_up.apply(ReadingEvent.FULL)
                return
        catch_up.apply(ReadingEvent.SENT)
        if not catch_up.behind:
            self._sender.release(session)
        else:  # something was put since, when nobody could read for this session yet
            self._go_on(session)

    def _push(self, session: Session, stored: Stored) -> bool:
        try:
            self._sender.push(session, stored.body, kept=True)
        except WindowFull:
            if not session.outbox.retained:  # the memory that all share is full; no acknowledgement will come
                self._unread.add(session)
            return False  # else acknowledged() comes back for the rest
        except Overflowed:
            return False
        except FrameTooLarge as error:  # another release, or other bounds, let it in
            self._undeliverable += 1
            self._undeliverable_left[stored.id] = session.openid
            self.handovers.count_pushes_lost.value += 1
            fields = {"openid": session.openid, "session": session.id, "lost": 1, "reason": str(error)}
            self._repeats.add(logging.WARNING, "pushes lost", session.openid, self._clock.now(), fields)
            self._deletions.add(session.openid, [stored.id])
            session.catch_up.skipped(stored.id)
        else:
            session.catch_up.sent(session.outbox.last_seq, stored.id)
        return True

    def acknowledged(self, session: Session) -> None:
        """Delete from the store what the client now has, and go on with what did not fit before."""
        self.received(session.openid, session.catch_up, session.outbox.acked_seq)
        if session.catch_up.behind:
            self._go_on(session)

    def received(self, openid: str, catch_up: CatchUp, up_to: int) -> None:
        """Delete what a client says to have, also of a session that cannot go on."""
        ids = catch_up.acknowledged(up_to)
        if ids:
            self._deletions.add(openid, ids)

    def _go_on(self, session: Session) -> None:
        store = self._store
        if store is None or session.state is not SessionState.NORMAL or session.catch_up.reading:
            return
        if len(self._running) >= MAX_READS:
            self._unread.add(session)
        else:
            reading = self._begin_reading(store, session)
            reading.add_done_callback(lambda _: self._came_late(session, reading))

    def _begin_reading(self, store: OfflineStore, session: Session) -> asyncio.Task[list[Stored] | None]:
        session.catch_up.apply(ReadingEvent.BEGUN)
        return self._spawn(self._read(store, session))

    async def _read(self, store: OfflineStore, session: Session) -> list[Stored] | None:
        catch_up = session.catch_up
        try:
            while catch_up.reading:
                messages = await store.load(session.openid, self._clock.wall())
                catch_up.apply(ReadingEvent.LOADED)
        except StoreFailed as error:  # no reason to refuse a login: the messages stay where they are
            self._failed(error, "stored messages could not be read")
            return None
        finally:
            if catch_up.reading:
                catch_up.apply(ReadingEvent.FAILED)
        gone = self._deletions.pending(session.openid)
        return [stored for stored in messages if stored.id not in gone]

    def _came_late(self, session: Session, reading: asyncio.Task[list[Stored] | None]) -> None:
        if session.state is SessionState.NORMAL:
            self.deliver(session, _result(reading))

    # Meanwhile

    def tend(self, now: float) -> None:
        """Try again what failed, and clean up now and then; a disk that hangs holds up nobody who calls this."""
        store = self._store
        if store is None:
            return
        self._deletions.tend(now)
        if self._unread and now >= self._read_again:
            self._read_again = now + READ_AGAIN
            unread, self._unread = self._unread, set()
            for session in unread:
                self._go_on(session)
        if now - self._swept >= STORE_ROUND and not self._sweeping:
            self._swept, self._sweeping = now, True
            self._spawn(self._sweep(store))
        self._repeats.flush(now)

    async def _sweep(self, store: OfflineStore) -> None:
        try:
            await store.sweep(self._clock.wall())
        except StoreFailed as error:
            self._failed(error)
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
                while self._running:
                    await asyncio.wait(self._running)
                if self._store is not None:
                    await self._store.close()
        except TimeoutError:
            fields = {"seconds": within, "pushes": self.handovers.waiting, "deletions": len(self._deletions)}
            _log.error("offline store did not finish in time", extra=fields)

    def share(self) -> StoreShare:
        """What the store adds to the accounts."""
        store, handovers = self._store, self.handovers
        if store is None:
            return NO_STORE
        stats, before = store.stats(), self._before
        left = {i: o for i, o in self._undeliverable_left.items() if i in self._deletions.pending(o)}
        self._undeliverable_left = left
        return StoreShare(
            accepted=before.messages + stats.stored - before.stored - handovers.kept,
            delivered=stats.deleted - before.deleted - (self._undeliverable - len(left)),
            lost=handovers.lost + stats.expired - before.expired + self._undeliverable,
            waiting=handovers.waiting,
            stored=stats.messages - len(left),
        )

    def _failed(self, error: StoreFailed, event: str = "offline store failed") -> None:
        self._count_store_failures.value += 1
        self._repeats.add(logging.ERROR, event, "", self._clock.now(), {"error": str(error)})

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="offline")
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("offline store failed", exc_info=task.exception())


def _result(reading: asyncio.Task[list[Stored] | None]) -> list[Stored] | None:
    """What was read; None also when the reading met a bug, which was logged."""
    return None if reading.cancelled() or reading.exception() is not None else reading.result()
