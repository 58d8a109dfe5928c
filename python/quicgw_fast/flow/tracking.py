"""What becomes of parcels (``session.parcels``): those who wait are told, and what is too old or replaced goes.

A parcel is in one place at a time: in the outbox of a session, without a number or with one, or in the offline store.
From each it may go to the next, and back into the store when its session ends. Whoever moves messages tells this one.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.codes import LostReason
from quicgw_fast.session import ACKNOWLEDGED, PENDING, Event, Parcel, ParcelBook, lost
from quicgw_fast.store import NO_TERMS, Terms

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Asker, Fate, Session


class Leaving(NamedTuple):
    """A parcel of a session that ended, which the offline store is to keep."""

    parcel: Parcel | None
    """None for an ordinary push."""
    terms: Terms


class Tracking:
    """Follows all parcels of the process."""

    def __init__(self, clock: Clock, metrics: Metrics, max_age: float) -> None:
        """``max_age`` are the seconds after which the offline store drops a message. ``clock`` is that of the store."""
        self._clock = clock
        self._count_expired = metrics.counter("pushes_expired", "Pushes that were not sent within their ttl_ms")
        self._count_superseded = metrics.counter(
            "pushes_superseded", "Pushes that a newer one with their supersede_key replaced before they were sent"
        )
        self._tickets = itertools.count(1)
        self._max_age = max_age
        self._stored: dict[int, Parcel] = {}
        """By the store's id, those that the store has and somebody waits for, unless a session sent them."""
        metrics.gauge("push_receipts_stored", "Those of them that the offline store has", lambda: len(self._stored))

    def begin(self, ttl_ms: int, key: str, asker: Asker | None) -> Parcel:
        """Make a parcel of a push that was accepted, or is about to be."""
        expires_at = self._clock.now() + ttl_ms / 1000 if ttl_ms else math.inf
        return Parcel(next(self._tickets), expires_at, key, asker)

    def terms(self, parcel: Parcel | None) -> Terms:
        """On which terms the store is to keep it."""
        if parcel is None or not parcel.patient:
            return NO_TERMS
        return Terms(self._clock.wall() + parcel.expires_at - self._clock.now(), parcel.key)

    # In a session

    def older(self, session: Session, key: str) -> Parcel | None:
        """The one that waits with this supersede key."""
        if not key or session.parcels is None:
            return None
        self.look(session)
        return session.parcels.of_key(key)

    def waits(self, session: Session, parcel: Parcel, instead_of: Parcel | None = None) -> None:
        """The outbox keeps it, perhaps in place of an older one."""
        book = _book(session)
        if instead_of is not None:
            book.replaced(instead_of)
            self._superseded(instead_of)
        book.waits(parcel)
        if parcel.expires_at < math.inf:
            delay = max(0.0, parcel.expires_at - self._clock.now())
            parcel.timer = self._clock.call_later(delay, partial(self._expired, parcel))

    def sent(self, session: Session, parcel: Parcel) -> None:
        """It took the number that was taken last."""
        if session.parcels is not None:
            self.look(session)  # what has a lower number comes first
        if parcel.asker is not None:
            _book(session).sent(parcel, session.outbox.last_seq)
        parcel.number = session.outbox.last_seq

    def look(self, session: Session) -> None:
        """Note what happened to those that waited."""
        if session.parcels is not None:
            for parcel in session.parcels.look():
                parcel.tell(lost(LostReason.BIND_EXPIRED))

    def acknowledged(self, session: Session) -> None:
        """The client has acknowledged something; asked only where there are parcels."""
        if session.parcels is None:
            return
        self.look(session)
        for parcel in session.parcels.acknowledged():
            parcel.tell(ACKNOWLEDGED)

    def overflowed(self, session: Session) -> None:
        """Nothing of the session can be delivered any more, but for what the store has."""
        self._left(session, lost(LostReason.OVERFLOWED), [])

    def arrives(self, expires_at: float, key: str) -> Parcel:
        """Make a parcel of a push that waits in a session of another gateway; nobody here asks about it."""
        return Parcel(next(self._tickets), expires_at, key)

    def moves(self, session: Session) -> None:
        """The session goes to another gateway: who waits is told that nothing is known yet, and will hear no more."""
        if session.parcels is None:
            return
        self.acknowledged(session)
        _, parcels = session.parcels.leave([])
        for parcel in parcels:
            parcel.tell(PENDING)

    def ends(self, session: Session, event: Event, after: int, *, handed_over: bool) -> list[Leaving]:
        """The session is about to end: what its outbox calls ``unsent`` after that number may go to the store."""
        if session.parcels is None:
            return []
        self.acknowledged(session)
        names = session.outbox.unsent_names(after) if handed_over else []
        reason = LostReason.REPLACED if event is Event.REPLACED else LostReason.SESSION_ENDED
        kept = self._left(session, lost(reason), names)
        return [Leaving(parcel, self._terms_of_rest(parcel)) for parcel in kept]

    # In the store

    def stored(self, parcel: Parcel | None, stored_id: int, replaced: int) -> None:
        """The store has it under that id, in place of the other one, if any."""
        if replaced:
            self._count_superseded.value += 1
            older = self._stored.pop(replaced, None)
            if older is not None:
                older.tell(lost(LostReason.SUPERSEDED))
        if parcel is None or parcel.asker is None or not parcel.asker.waits:
            return
        parcel.stored_id = stored_id
        self._into_store(parcel, self._clock.now() + self._max_age)

    def not_stored(self, parcel: Parcel | None) -> None:
        """The store did not take what an ended session gave it."""
        if parcel is not None:
            parcel.tell(lost(LostReason.STORE_DROPPED))

    def out_of_store(self, session: Session, stored_id: int) -> None:
        """The session sent it, under the number that was taken last."""
        parcel = self._stored.pop(stored_id, None)
        if parcel is not None:
            self.sent(session, parcel)

    def dropped(self, stored_id: int, reason: LostReason) -> None:
        """It cannot be sent to anybody, or something newer was there for its client."""
        if reason is LostReason.SUPERSEDED:
            self._count_superseded.value += 1
        parcel = self._stored.pop(stored_id, None)
        if parcel is not None:
            parcel.tell(lost(reason))

    def store_lost(self) -> None:
        """The process ends, and what is stored with it: nobody will be sent that."""
        for parcel in list(self._stored.values()):
            parcel.tell(lost(LostReason.STORE_DROPPED))

    # Ends

    def _left(self, session: Session, fate: Fate, names: list[tuple[int, int]]) -> list[Parcel | None]:
        if session.parcels is None:
            return []
        self.look(session)
        kept, others = session.parcels.leave(names)
        for parcel in others:
            if parcel.stored_id:  # its original is there still, and goes out at the next login
                self._into_store(parcel, math.inf)
            else:
                parcel.tell(fate)
        for parcel in filter(None, kept):
            parcel.unhurried()
        return kept

    def _terms_of_rest(self, parcel: Parcel | None) -> Terms:
        """The terms of what goes into the store: those of what had its number are over."""
        return NO_TERMS if parcel is None or parcel.number else self.terms(parcel)

    def _into_store(self, parcel: Parcel, too_old: float) -> None:
        asker = parcel.asker
        if asker is None or not asker.waits:
            return
        parcel.number = 0
        self._stored[parcel.stored_id] = parcel
        asker.when_settled(partial(self._stored.pop, parcel.stored_id, None))
        due = min(parcel.expires_at, too_old)
        if due < math.inf:
            parcel.timer = self._clock.call_later(max(0.0, due - self._clock.now()), partial(self._expired, parcel))

    def _expired(self, parcel: Parcel) -> None:
        parcel.timer = None
        if parcel.book is not None and parcel.book.withdraw(parcel):
            self._count_expired.value += 1
            parcel.tell(lost(LostReason.TTL))
        elif parcel.book is None and not parcel.number:
            in_time = parcel.expires_at > self._clock.now()
            parcel.tell(lost(LostReason.STORE_DROPPED if in_time else LostReason.TTL))

    def _superseded(self, parcel: Parcel) -> None:
        self._count_superseded.value += 1
        parcel.tell(lost(LostReason.SUPERSEDED))


def _book(session: Session) -> ParcelBook:
    if session.parcels is None:
        session.parcels = ParcelBook(session.outbox)
    return session.parcels
