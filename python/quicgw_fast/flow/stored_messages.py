"""What the offline store keeps, on its way out: read at login, pushed in order, deleted when acknowledged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FrameTooLarge, Overflowed, WindowFull
from quicgw_fast.codes import LostReason
from quicgw_fast.session import CatchUpState, ReadingEvent, SessionState
from quicgw_fast.store import StoreFailed

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.deletions import Deletions
    from quicgw_fast.flow.store_tasks import StoreJournal, StoreTasks
    from quicgw_fast.flow.tracking import Tracking
    from quicgw_fast.session import CatchUp, Devices, Session
    from quicgw_fast.store import OfflineStore, Stored

LONGEST_READ = 1.0
"""Seconds that a login waits for what is stored; what comes later is delivered when it comes."""
MAX_READS = 4096
"""Reads under way at most: while a disk hangs, sessions that come and go must not pile them up."""
READ_AGAIN = 1.0
"""Seconds before a read that failed is tried again."""


class StoredMessages:
    """Moves messages from the offline store into sessions; without a store every method does nothing.

    A message leaves the store only when its client acknowledged it: until then a crash of the gateway, or an end of
    the session, costs nothing but a second delivery, recognisable by its header ``offline-id``.

    While a session is ``behind``, not all that is stored for it was sent. What is pushed to it meanwhile is held, as
    before the login, and released behind it: the older ones come first, however slow the store is.

    Where an openid has several devices, a message goes to the first that reads it, and to no other while that lives.
    """

    def __init__(
        self,
        clock: Clock,
        store: OfflineStore | None,
        devices: Devices,
        sender: OrderedSender[Session],
        deletions: Deletions,
        tasks: StoreTasks,
        journal: StoreJournal,
        tracking: Tracking,
    ) -> None:
        self._clock = clock
        self._store = store
        self._devices = devices
        self._sender = sender
        self._deletions = deletions
        self._tasks = tasks
        self._journal = journal
        self._tracking = tracking
        self._unread: set[Session] = set()
        """Sessions that are behind and for whom no acknowledgement may ever come."""
        self._read_again = 0.0
        self._undeliverable = 0
        self._undeliverable_left: dict[int, str] = {}
        """Of these, id and openid of those that were not deleted yet."""

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
        if len(self._tasks) >= MAX_READS:
            catch_up.apply(ReadingEvent.FAILED)
            return None
        reading = self._begin_reading(store, session)
        await asyncio.wait([reading], timeout=max(0.0, min(within, LONGEST_READ)))
        if reading.done():
            return _result(reading)
        reading.add_done_callback(lambda _: self._came_late(session, reading))
        return None

    def catch_up(self, session: Session) -> None:
        """Bring a session that has just logged in, without having fetched anything, what is stored for it."""
        if self._store is None:
            self.deliver(session, [])
        else:
            self.go_on(session)

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
        elsewhere = self._sent_elsewhere(session)
        for stored in messages:
            if stored.id <= catch_up.sent_up_to:
                continue
            if stored.id in elsewhere:
                catch_up.skipped(stored.id)
                continue
            if stored.key and catch_up.state is not CatchUpState.READ:
                break  # something was put since, perhaps in the place of this one: it is read again
            if not self._push(session, stored):
                catch_up.apply(ReadingEvent.FULL)
                return
        catch_up.apply(ReadingEvent.SENT)
        if not catch_up.behind:
            self._sender.release(session)
        else:  # something was put since, when nobody could read for this session yet
            self.go_on(session)

    def acknowledged(self, session: Session) -> None:
        """Delete from the store what the client now has, and go on with what did not fit before."""
        self.received(session.openid, session.catch_up, session.outbox.acked_seq)
        if session.catch_up.behind:
            self.go_on(session)

    def received(self, openid: str, catch_up: CatchUp, up_to: int) -> None:
        """Delete what a client says to have, also of a session that cannot go on."""
        ids = catch_up.acknowledged(up_to)
        if ids:
            self._deletions.add(openid, ids)
            for session in self._devices.of(openid):  # one of them may have read it, and not have sent it yet
                session.catch_up.acknowledged_elsewhere(max(ids))

    def go_on(self, session: Session) -> None:
        """Read what was not sent yet and push it, unless that is under way."""
        store = self._store
        if store is None or session.state is not SessionState.NORMAL or session.catch_up.reading:
            return
        if len(self._tasks) >= MAX_READS:
            self._unread.add(session)
        else:
            reading = self._begin_reading(store, session)
            reading.add_done_callback(lambda _: self._came_late(session, reading))

    def tend(self, now: float) -> None:
        """Try again to read what could not be read."""
        if self._unread and now >= self._read_again:
            self._read_again = now + READ_AGAIN
            unread, self._unread = self._unread, set()
            for session in unread:
                self.go_on(session)

    def undeliverable(self) -> tuple[int, int]:
        """How many messages could not be sent to anybody, and how many of these are in the store still."""
        left = {i: o for i, o in self._undeliverable_left.items() if i in self._deletions.pending(o)}
        self._undeliverable_left = left
        return self._undeliverable, len(left)

    def _sent_elsewhere(self, session: Session) -> set[int]:
        """What other devices of its openid were sent, and may acknowledge yet."""
        others = [other for other in self._devices.of(session.openid) if other is not session]
        return {stored_id for other in others for stored_id in other.catch_up.unacknowledged.values()}

    def _push(self, session: Session, stored: Stored) -> bool:
        if stored.expires_at <= self._clock.wall():  # since it was read; the store cleans it up
            session.catch_up.skipped(stored.id)
            return True
        if stored.key and session.parcels is not None and session.parcels.has_key(stored.key):
            self._drop(session, stored, LostReason.SUPERSEDED)
            return True
        try:
            self._sender.push(session, stored.body, kept=True)
        except WindowFull:
            if not session.outbox.retained:  # the memory that all share is full; no acknowledgement will come
                self._unread.add(session)
            return False  # else acknowledged() comes back for the rest
        except Overflowed:
            return False
        except FrameTooLarge as error:  # another release, or other bounds, let it in
            self._journal.lost(session.openid, session.id, 1, str(error))
            self._drop(session, stored, LostReason.STORE_DROPPED)
        else:
            session.catch_up.sent(session.outbox.last_seq, stored.id)
            self._tracking.out_of_store(session, stored.id)
        return True

    def _drop(self, session: Session, stored: Stored, reason: LostReason) -> None:
        """Delete what was not sent to anybody, and will not be."""
        self._undeliverable += 1
        self._undeliverable_left[stored.id] = session.openid
        self._deletions.add(session.openid, [stored.id])
        session.catch_up.skipped(stored.id)
        self._tracking.dropped(stored.id, reason)

    def _begin_reading(self, store: OfflineStore, session: Session) -> asyncio.Task[list[Stored] | None]:
        session.catch_up.apply(ReadingEvent.BEGUN)
        return self._tasks.spawn(self._read(store, session))

    async def _read(self, store: OfflineStore, session: Session) -> list[Stored] | None:
        catch_up = session.catch_up
        try:
            while catch_up.reading:
                messages = await store.load(session.openid, self._clock.wall())
                catch_up.apply(ReadingEvent.LOADED)
        except StoreFailed as error:  # no reason to refuse a login: the messages stay where they are
            self._journal.not_read(session, error)
            return None
        finally:
            if catch_up.reading:
                catch_up.apply(ReadingEvent.FAILED)
        gone = self._deletions.pending(session.openid)
        return [stored for stored in messages if stored.id not in gone]

    def _came_late(self, session: Session, reading: asyncio.Task[list[Stored] | None]) -> None:
        if session.state is SessionState.NORMAL:
            self.deliver(session, _result(reading))


def _result(reading: asyncio.Task[list[Stored] | None]) -> list[Stored] | None:
    """What was read; None also when the reading met a bug, which was logged."""
    return None if reading.cancelled() or reading.exception() is not None else reading.result()
