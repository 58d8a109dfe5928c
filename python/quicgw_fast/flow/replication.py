"""Nothing is shown of a session that another gateway could not go on from (``cluster.retain = "replicated"``).

All that changes in one turn of the loop is written together, and the next records are made when the answer is there. So
one line keeps the order of each session, and under load what is written grows together instead of waiting longer. What
waits for it, by session:

* messages that took their numbers: their client gets them when they are written (``delivery.BarrierSender``);
* requests that were accepted: their service is called when that is written. Else the next gateway would not know of
  them, their client would send them again, and they would run twice;
* the answer to START, which tells of a session, and of requests that came;
* the answers to pushes that were taken, and to changes of groups: for those it waits for all that has changed.

A session whose gateway dies is read by the next one, whose claim keeps this one from writing any more, and goes on from
the last record (``session.replica``). What was accepted and has no reply in it is answered 500, "outcome unknown".

While the directory does not answer nothing is written, so nothing goes on: whoever went on would be found to be behind
what its clients have, and would give out numbers a second time.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.observe import Unit
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.placement import ReplicaRecord, Written
from quicgw_fast.session import Replica, SessionState, next_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import ReplicaKeeper
    from quicgw_fast.ports import Link
    from quicgw_fast.processor import AsyncTask
    from quicgw_fast.session import HeardOf, Record, Registry, Session

MOST_AT_ONCE: Final = 256
"""Records that are written together: the directory does nothing else meanwhile."""
RETRY: Final = 0.05
"""Seconds until what could not be written is tried again."""
REFRESHED_IN: Final = 8
"""Rounds of the housekeeping in which each replica is refreshed once: there are as many in the shortest resume window,
and replicas stay for two."""
REWRITTEN_IN: Final = 15
"""Rounds in which each is written again in a new life of the data: what changes meanwhile waits behind few of them."""
MANY_REQUESTS: Final = 1024
"""Ids of requests after which it is looked for those that have their replies."""

FINAL: Final = frozenset({Written.DONE, Written.VOID})
"""What came of a record that is not written once more."""

_log = logging.getLogger("quicgw.cluster")


class _Awaiting(NamedTuple):
    """What goes on when a session is written as it is now."""

    go_on: Callable[[], None]
    task: AsyncTask[Session] | None = None
    """The request of which that is, as it goes where its session goes."""
    ended: Callable[[bool], None] | None = None
    """Called instead where the session is over here, with whether it was written before."""


class _Sent(NamedTuple):
    """One record on its way, and what waits for it."""

    session: Session
    replica: Replica
    record: Record
    waiting: list[_Awaiting]


class Replication:
    """Has sessions written, and knows what may go on."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        keeper: ReplicaKeeper,
        registry: Registry,
        link_of: Callable[[Session], Link | None],
        pump: Callable[[Session], None],
        heard_of: HeardOf,
    ) -> None:
        """``link_of`` gives the connection to which something may be sent now; ``pump`` sends what is safe.

        ``heard_of`` says what sessions had of what was for many.
        """
        self._now = clock.now
        self._keeper = keeper
        self._registry = registry
        self._link_of = link_of
        self._pump = pump
        self._heard_of = heard_of
        self._changed: dict[Session, None] = {}
        """What is to be written, the oldest first."""
        self._waiting: dict[Session, list[_Awaiting]] = {}
        self._under_way: dict[Session, _Sent] = {}
        self._scheduled: asyncio.Handle | None = None
        self._to_refresh: list[Session] = []
        self._share = 0
        """Of those, how many are refreshed in a round."""
        self._rewritten = ""
        """The life of the data in which all sessions are written that were there when it began."""
        self._repeats = RepeatLog(_log)
        self._register(metrics)

    def _register(self, metrics: Metrics) -> None:
        help = "Records of sessions that were written to the directory: the session as a whole, or what changed since"
        self._count = metrics.counters("replica_records", help, "kind", ("whole", "later"))
        self._bytes = metrics.counter("replica_written", "Bytes of records that were written", Unit.BYTES)
        self._took = metrics.duration("replica_lag", "Of records that were made together, until they were written")
        metrics.gauge("replica_waiting", "Sessions of which something is not written yet", lambda: len(self._changed))
        metrics.gauge("replica_held", "Bytes of all records of the sessions here", self._held, Unit.BYTES)

    # What the sender asks (``delivery.Barrier``)

    def changed(self, session: Session) -> None:
        """Have it be written at the end of this turn, or when what is under way is written."""
        if session in self._changed:
            return
        self._changed[session] = None
        if self._scheduled is None and not self._under_way:
            self._scheduled = asyncio.get_running_loop().call_soon(self._flush)

    def safe(self, session: Session) -> int:
        """Return the number up to which its client may be given messages."""
        return self._of(session).safe

    def link_of(self, session: Session) -> Link | None:
        """Return its connection, once its START was answered."""
        if self._of(session).answered != session.generation:
            return None
        return self._link_of(session)

    # What waits

    def accepted(self, task: AsyncTask[Session], go_on: Callable[[AsyncTask[Session]], None]) -> None:
        """Go on with a request when it is written that it was accepted."""
        msg_ids = self._of(task.session).msg_ids
        msg_ids[task.seq_id] = task.msg_id
        if len(msg_ids) > MANY_REQUESTS:
            for seq in [seq for seq in msg_ids if not task.session.outbox.is_open(seq)]:
                del msg_ids[seq]
        self._then(task.session, _Awaiting(partial(go_on, task), task))

    def tasks(self, session: Session) -> list[AsyncTask[Session]]:
        """Requests that wait for that."""
        sent = self._under_way[session].waiting if session in self._under_way else []
        return [each.task for each in (*sent, *self._waiting.get(session, ())) if each.task is not None]

    def started(self, session: Session) -> asyncio.Future[None]:
        """Wait until its client may be told of it; then it is ``answered``."""
        self._of(session).due = True
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._then(session, _Awaiting(partial(_done, written)))
        return written

    def answered(self, session: Session) -> None:
        """Its START was answered: messages may follow."""
        self._of(session).answered = session.generation

    async def written(self, some: Collection[Session]) -> list[bool]:
        """Wait until what has changed of these is written; False for each that somebody else has without it."""
        waits = [self._until_written(session) for session in some]
        return [await written for written in waits]

    def _until_written(self, session: Session) -> asyncio.Future[bool]:
        """Of one: what has changed is in the record that is due, or else in the one that is under way."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = _Awaiting(partial(_tell, written, True), ended=partial(_tell_end, written, session))
        if session in self._changed:
            self._waiting.setdefault(session, []).append(waiting)
        elif session in self._under_way:
            self._under_way[session].waiting.append(waiting)
        else:
            _tell_end(written, session, not self._of(session).left_out)
        return written

    def tend(self, now: float) -> None:
        """See to it that replicas stay, and are good, of sessions for which nothing happens."""
        if not self._to_refresh:
            self._to_refresh = [session for session in self._registry if session.replica is not None]
            self._share = -(-len(self._to_refresh) // REFRESHED_IN)
        some, self._to_refresh = self._to_refresh[: self._share], self._to_refresh[self._share :]
        if some and self._keeper.ready:
            self._keeper.refresh([session.openid for session in some if session.state is not SessionState.CLOSED])
        if self._keeper.ready and self._keeper.life != self._rewritten:
            self._rewrite(self._keeper.life)
        self._repeats.flush(now)

    def _rewrite(self, life: str) -> None:
        """Have some sessions written again that are written in an earlier life of the data alone."""
        old = [session for session in self._registry if session.replica is not None and session.replica.life != life]
        for session in old[: max(MOST_AT_ONCE, -(-len(self._registry) // REWRITTEN_IN))]:
            self.changed(session)
        if not old:
            self._rewritten = life

    def _then(self, session: Session, waiting: _Awaiting) -> None:
        self.changed(session)
        self._waiting.setdefault(session, []).append(waiting)

    def _of(self, session: Session) -> Replica:
        if session.replica is None:
            session.replica = Replica()
        return session.replica

    def _held(self) -> int:
        return sum(session.replica.size for session in self._registry if session.replica is not None)

    # Writing

    def _flush(self) -> None:
        self._scheduled = None
        now = self._now()
        if self._keeper.ready:
            self._take_some(now)
        if not self._under_way:
            self._next(stalled=True)
            return
        records = [
            ReplicaRecord(sent.session.openid, sent.record.data, 0 if sent.record.whole else sent.replica.size)
            for sent in self._under_way.values()
        ]
        written = self._keeper.write(records)
        written.add_done_callback(lambda done: self._told(_outcomes(done, len(records)), now))

    def _take_some(self, now: float) -> None:
        for session in list(islice(self._changed, MOST_AT_ONCE)):
            record, replica = None, self._of(session)
            if session.state is not SessionState.CLOSED:
                replica.due = replica.due or replica.life != self._keeper.life
                try:
                    record = next_record(session, replica, now, self._heard_of)
                except MemoryError:  # there may be some later
                    self._repeats.add(logging.ERROR, "no memory to write a session", "", now, session.ids)
                    continue
                except Exception:  # a bug, and nobody else's: the others are written
                    _log.exception("session cannot be written", extra=session.ids)
            del self._changed[session]
            waiting = self._waiting.pop(session, [])
            if record is None:
                _leave_out(replica, waiting)
            else:
                replica.life = self._keeper.life
                self._under_way[session] = _Sent(session, replica, record, waiting)

    def _told(self, outcomes: list[Written], began: float) -> None:
        sent, self._under_way = list(self._under_way.values()), {}
        self._took.observe(self._now() - began)
        done = [each for each, outcome in zip(sent, outcomes, strict=True) if outcome is Written.DONE]
        for each in done:
            self._count["whole" if each.record.whole else "later"].value += 1
            self._bytes.value += len(each.record.data)
            each.replica.wrote(each.record)
        self._once_more([each for each, how in zip(sent, outcomes, strict=True) if how not in FINAL])
        for each in done:
            self._go_on(each)
        for each, outcome in zip(sent, outcomes, strict=True):
            if outcome is Written.VOID:
                _leave_out(each.replica, each.waiting)
        self._next(stalled=Written.LATER in outcomes)

    def _once_more(self, some: list[_Sent]) -> None:
        """Nobody knows what there is of these now: they are written as a whole, before anything else."""
        if not some:
            return
        for each in some:
            each.replica.due = True
            if each.waiting:
                self._waiting[each.session] = each.waiting + self._waiting.get(each.session, [])
        self._changed = dict.fromkeys(each.session for each in some) | self._changed

    def _go_on(self, sent: _Sent) -> None:
        session = sent.session
        if session.state is SessionState.CLOSED:
            _end(sent.waiting, written=True)
            return
        try:
            for each in sent.waiting:
                each.go_on()
            self._pump(session)
        except Exception:  # a bug, and nobody else's: the others were written, too
            _log.exception("session does not go on", extra=session.ids)

    def _next(self, *, stalled: bool) -> None:
        """Write what has changed meanwhile; later where the directory does not answer."""
        if self._changed and self._scheduled is None:
            loop = asyncio.get_running_loop()
            self._scheduled = loop.call_later(RETRY, self._flush) if stalled else loop.call_soon(self._flush)


def _outcomes(written: asyncio.Future[list[Written]], count: int) -> list[Written]:
    error = None if written.cancelled() else written.exception()
    if written.cancelled() or error is not None:
        if error is not None:  # a bug, which must leave nobody waiting
            _log.error("sessions not written", exc_info=error)
        return [Written.LATER] * count
    return written.result()


def _leave_out(replica: Replica, waiting: Iterable[_Awaiting]) -> None:
    replica.left_out = True
    _end(waiting, written=False)


def _end(waiting: Iterable[_Awaiting], *, written: bool) -> None:
    for each in waiting:
        if each.ended is not None:
            each.ended(written)


def _done(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():  # who waited may have gone
        waiting.set_result(None)


def _tell(waiting: asyncio.Future[bool], written: bool) -> None:
    if not waiting.done():  # likewise
        waiting.set_result(written)


def _tell_end(waiting: asyncio.Future[bool], session: Session, written: bool) -> None:
    """What was not written of a session that moved went along with it."""
    _tell(waiting, written or session.moved)
