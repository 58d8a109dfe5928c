"""All sessions: found by id, openid or gid, and remembered for a while after their end."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.session.claim import Attempts
from quicgw_fast.session.devices import NEWEST, DevicePolicy, Devices
from quicgw_fast.session.groups import GroupIndex
from quicgw_fast.session.notify_count import NO_NOTIFIES
from quicgw_fast.session.session import Session
from quicgw_fast.session.states import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicgw_fast.backend import Outbox
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session.catch_up import CatchUp
    from quicgw_fast.session.notify_count import NotifyCount
    from quicgw_fast.session.states import Event

LIVE = (SessionState.INITED, SessionState.NORMAL)
"""The states of sessions that did not end."""
ENDED_SESSIONS = 10_000
"""How many ended sessions are remembered at most (protocol §5)."""
ENDED_TRAILS = 1000
"""How many of them with their flight recorder, whose memory is bounded by that: 8 MiB with its default length."""


@dataclass(slots=True, frozen=True)
class Ended:
    """What is remembered of a session that ended: enough to tell its client what it missed."""

    id: str
    openid: str
    epoch: str
    outbox: Outbox
    unanswered: int
    """Requests that were in flight at the end."""
    undelivered: int
    """Notifies that waited for a login or for their request at the end."""
    catch_up: CatchUp
    """As the session's: of the stored messages that were sent, its client may still say that it has them."""
    given: NotifyCount
    """What the offline store was given of the undelivered notifies."""
    at: float
    attempts: Attempts
    """As the session's."""


class Registry:
    """The one place that knows which sessions there are."""

    def __init__(
        self,
        make_outbox: Callable[[int], Outbox],
        metrics: Metrics,
        *,
        remember: float,
        max_ended: int = ENDED_SESSIONS,
        trail: int = 0,
        aloud: bool = False,
        policy: DevicePolicy = NEWEST,
    ) -> None:
        """``make_outbox(after)`` makes an outbox that numbers from after + 1; ``remember`` is in seconds.

        ``trail`` are the entries of each session's flight recorder; ``aloud``: each has a line in the log.
        """
        self._make_outbox = make_outbox
        self._remember = remember
        self._max_ended = max_ended
        self._trail = trail
        self._aloud = aloud
        self._created = 0
        self._by_id: dict[str, Session] = {}
        self.devices = Devices(policy)
        """The same by openid."""
        # By gid and then by session id, the newest last.
        self._by_gid: dict[str, dict[str, Session]] = {}
        self.groups = GroupIndex(metrics)
        """The same by group."""
        self._ended: OrderedDict[str, Ended] = OrderedDict()
        self._ended_by_openid: dict[str, str] = {}
        self._ended_trails: OrderedDict[str, Session] = OrderedDict()
        """Sessions that ended last, with what their flight recorders have."""
        metrics.gauges(
            "sessions",
            "Sessions that live, by how far their client has come",
            "state",
            [state.name for state in LIVE],
            lambda: {state.name: self.count(state) for state in LIVE},
        )
        metrics.gauge(
            "sessions_detached",
            "Sessions that live without a client",
            lambda: sum(not session.attached for session in self),
        )
        metrics.gauge("sessions_remembered", "Ended sessions that are remembered", lambda: self.remembered)

    def reconfigure(
        self,
        make_outbox: Callable[[int], Outbox],
        remember: float,
        trail: int = 0,
        *,
        aloud: bool = False,
        policy: DevicePolicy = NEWEST,
    ) -> None:
        """Make the outboxes and flight recorders of new sessions by other bounds; remember ended ones for so long.

        What has a line in the log changes for all sessions.
        """
        self.devices.policy = policy
        self._make_outbox = make_outbox
        self._trail = trail
        self._remember = remember
        if aloud is not self._aloud:
            self._aloud = aloud
            for session in self:
                session.record(0 if session.trail is None else session.trail.maxlen or 0, aloud=aloud)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a snapshot, so that sessions may come and go meanwhile."""
        return iter(list(self._by_id.values()))

    @property
    def remembered(self) -> int:
        """How many ended sessions are remembered."""
        return len(self._ended)

    def create(self, openid: str, after: int, now: float) -> Session:
        """Make a fresh session whose numbers begin at ``after`` + 1; ValueError where its openid has too many."""
        session = Session(
            id=secrets.token_hex(16),
            openid=openid,
            epoch=secrets.token_hex(8),
            outbox=self._make_outbox(after),
            last_activity=now,
            cursor=after,
            handed=after,
            attempts=self._attempts_of_another(openid, now),
            since=now,
            serial=self._created,
        )
        self.devices.add(session)
        session.record(self._trail, aloud=self._aloud)
        self._created += 1
        self._by_id[session.id] = session
        return session

    def by_id(self, session_id: str) -> Session | None:
        """The live session with this id."""
        return self._by_id.get(session_id)

    def by_openid(self, openid: str) -> Session | None:
        """The live session of this openid whose client attached last."""
        sessions = self.devices.of(openid)
        return sessions[-1] if sessions else None

    def by_gid(self, gid: str) -> Session | None:
        """The newest live session that was given this gid."""
        holders = self._by_gid.get(gid)
        return next(reversed(holders.values())) if holders else None

    def set_gid(self, session: Session, gid: str) -> None:
        """Give the session a gid; a push to the gid goes to the session that got it last (protocol §2)."""
        self._drop_gid(session)
        session.gid = gid
        self._by_gid.setdefault(gid, {})[session.id] = session

    def ended_by_id(self, session_id: str, now: float) -> Ended | None:
        """An ended session that is still remembered."""
        self.forget(now)
        return self._ended.get(session_id)

    def ended_session(self, session_id: str, now: float) -> Session | None:
        """An ended session whose flight recorder is still kept."""
        self.forget(now)
        return self._ended_trails.get(session_id)

    def ended_by_openid(self, openid: str, now: float) -> Ended | None:
        """The session of this openid that ended last, while it is remembered."""
        self.forget(now)
        return self._ended.get(self._ended_by_openid.get(openid, ""))

    def attempts(self, openid: str, now: float) -> Attempts:
        """What is known of the STARTs of this openid that were acted on, by its sessions or the last one that ended."""
        last = self.by_openid(openid) or self.ended_by_openid(openid, now)
        return Attempts(sessions=self.devices.policy.most) if last is None else last.attempts

    def end(self, session: Session, event: Event, now: float, given: NotifyCount = NO_NOTIFIES) -> int:
        """End a session: nothing is kept but its memory. Returns how many requests were left unanswered.

        ``given`` counts what the offline store gets of it: that is not lost.
        """
        session.apply(event, now)
        outbox = session.outbox
        unanswered, undelivered = outbox.in_flight, outbox.held + outbox.bound
        outbox.close(given.total)
        del self._by_id[session.id]
        self.devices.remove(session)
        self._drop_gid(session)
        self.groups.ended(session)
        ended = Ended(
            id=session.id,
            openid=session.openid,
            epoch=session.epoch,
            outbox=outbox,
            unanswered=unanswered,
            undelivered=undelivered,
            catch_up=session.catch_up,
            given=given,
            at=now,
            attempts=session.attempts,
        )
        self._ended[session.id] = ended
        self._ended_by_openid[session.openid] = session.id
        self._keep_trail(session)
        self.forget(now)
        return unanswered

    def serviceable(self, session: Session, now: float) -> bool:
        """Whether work for the session still has a point (protocol §3): not CLOSED, attached or resumable."""
        return session.serviceable(now, self._remember)

    def count(self, state: SessionState) -> int:
        """How many sessions are in this state."""
        return sum(session.state is state for session in self._by_id.values())

    def forget(self, now: float) -> None:
        """Remember nobody any more who ended longer ago than the resume window, or before the last 10 000."""
        while self._ended:
            oldest = next(iter(self._ended.values()))
            if len(self._ended) <= self._max_ended and now - oldest.at <= self._remember:
                return
            del self._ended[oldest.id]
            self._ended_trails.pop(oldest.id, None)
            if self._ended_by_openid.get(oldest.openid) == oldest.id:
                del self._ended_by_openid[oldest.openid]

    def _attempts_of_another(self, openid: str, now: float) -> Attempts:
        """What one more session of this openid knows: the same as the others, which share it."""
        others = self.devices.of(openid)
        return others[0].attempts if others else self.attempts(openid, now).copy(self.devices.policy.most)

    def _keep_trail(self, session: Session) -> None:
        if session.trail is not None:
            self._ended_trails[session.id] = session
            if len(self._ended_trails) > ENDED_TRAILS:
                self._ended_trails.popitem(last=False)

    def _drop_gid(self, session: Session) -> None:
        holders = self._by_gid.get(session.gid, {})
        holders.pop(session.id, None)
        if not holders:
            self._by_gid.pop(session.gid, None)
