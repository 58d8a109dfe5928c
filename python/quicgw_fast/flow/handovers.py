"""What a session that ends was to deliver and no connection ever took: given to the offline store, or counted lost."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.backend.constants import HEAD_MAX
from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.codes import StoreCode
from quicgw_fast.observe import BufferKind, Filling, register_buffer
from quicgw_fast.proto.client_pb2 import ServerPush
from quicgw_fast.session import NotifyCount, UntoldLosses

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.store_tasks import StoreJournal
    from quicgw_fast.flow.tracking import Leaving, Tracking
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Parcel, Session
    from quicgw_fast.store import OfflineStore, PutResult

TOO_LARGE = "too large to be stored"
TOO_MUCH = "too much waits for the offline store"


def offline_id() -> dict[str, str]:
    """The header by which a client recognises a stored message that it gets a second time."""
    return {"offline-id": secrets.token_hex(8)}


class Handovers:
    """Hands over what ended sessions still owed; nothing of it can keep a session from ending.

    A session has ended before anything is handed over. The store does everything in the order in which it is asked, so
    that later pushes to the openid, and the login that reads them, come behind without any waiting here.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        store: OfflineStore | None,
        journal: StoreJournal,
        tracking: Tracking,
        most_bytes: int,
    ) -> None:
        """``most_bytes`` may be on their way at once: a disk may hang while sessions go on ending."""
        self._clock = clock
        self._most_bytes = most_bytes
        self._waiting_bytes = 0
        if store is not None:
            on_its_way = Filling(lambda: self._waiting_bytes, lambda: most_bytes)
            register_buffer(metrics, BufferKind.HANDOVERS, on_its_way)
        self._count_pushes_handed_over = metrics.counter(
            "pushes_handed_over", "Notifies of ended sessions that the offline store took"
        )
        self._store = store
        self._journal = journal
        self._tracking = tracking
        self.losses = UntoldLosses()
        self.kept = 0
        """Notifies that the store took."""
        self.lost = 0
        """Notifies that it did not take."""
        self.waiting = 0
        """Notifies that it has not answered for yet."""
        # The newest of each openid: those before are decided before it is.
        self._undecided: dict[str, asyncio.Future[list[PutResult]]] = {}

    def unsent(self, session: Session) -> list[bytes]:
        """What the store is to keep of a session that is about to end: what no connection ever took.

        Of what one took nobody can know whether the client has it; the gap report leaves that to the client.
        """
        return [] if self._store is None else session.outbox.unsent(session.handed)

    def undecided(self, openid: str) -> asyncio.Future[list[PutResult]] | None:
        """The hand-over of this openid that the store has not answered yet."""
        return self._undecided.get(openid)

    def begin(
        self, session: Session, bodies: Sequence[bytes], unnumbered: int, leaving: Sequence[Leaving] = ()
    ) -> None:
        """Give the store what an ended session owed, oldest first; the last ``unnumbered`` bodies had no number yet.

        ``leaving`` is what is known of each of the bodies; empty where nothing is known of any.
        """
        store = self._store
        if store is None or not bodies:
            return
        named = [body + ServerPush(headers=offline_id()).SerializeToString() for body in bodies]
        hindrances = self._hindrances(named)
        good = [body for body, hindrance in zip(named, hindrances, strict=True) if not hindrance]
        terms = [each.terms for each, hindrance in zip(leaving, hindrances, strict=False) if not hindrance]
        parcels = [each.parcel for each in leaving]
        size = sum(map(len, good))
        self.waiting += len(named)
        self._waiting_bytes += size
        decided = store.put_all(session.openid, good, self._clock.wall(), terms)
        done = partial(self._done, session, hindrances, len(named) - unnumbered, size, parcels)
        if decided.done():
            done(decided)
        else:
            self._undecided[session.openid] = decided
            decided.add_done_callback(done)

    def _hindrances(self, bodies: list[bytes]) -> list[str]:
        """Of each body why the store is not asked to keep it; empty where it is."""
        room = self._most_bytes - self._waiting_bytes
        found = []
        for body in bodies:
            if len(body) + HEAD_MAX > MAX_BODY:
                found.append(TOO_LARGE)
                continue
            room -= len(body)  # of what does not fit any more, nothing that is newer is kept either
            found.append("" if room >= 0 else TOO_MUCH)
        return found

    def _done(
        self,
        session: Session,
        hindrances: list[str],
        numbered: int,
        size: int,
        parcels: list[Parcel | None],
        decided: asyncio.Future[list[PutResult]],
    ) -> None:
        self._waiting_bytes -= size
        if self._undecided.get(session.openid) is decided:
            del self._undecided[session.openid]
        if decided.cancelled():  # only with the event loop itself
            return
        told = decided.result()
        if any(result.error_code is StoreCode.FAILED for result in told):
            self._journal.not_put()
        answers = iter(told)
        results = [None if hindrance else next(answers) for hindrance in hindrances]
        reasons = [
            hindrance if result is None else result.message
            for hindrance, result in zip(hindrances, results, strict=True)
        ]
        for parcel, result in zip(parcels, results, strict=False):
            self._follow(parcel, result)
        lost = NotifyCount(sum(map(bool, reasons[:numbered])), sum(map(bool, reasons[numbered:])))
        self.waiting -= len(reasons)
        self.kept += len(reasons) - lost.total
        self.lost += lost.total
        self._count_pushes_handed_over.value += len(reasons) - lost.total
        self.losses.add(session.openid, session.id, lost)
        if lost.total:
            self._journal.lost(session.openid, session.id, lost.total, next(filter(None, reasons)))

    def _follow(self, parcel: Parcel | None, result: PutResult | None) -> None:
        if result is not None and result.stored:
            self._tracking.stored(parcel, result.id, result.replaced)
        else:
            self._tracking.not_stored(parcel)
