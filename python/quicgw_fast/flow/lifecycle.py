"""The one place where it is told what happens to sessions: whatever of it an outsider sees, in its order.

A session is ATTACHED, RESUMED or RESET when a client has it, DETACHED when that client's connection is gone, whoever
decided it, LOGGED_IN with each hello that is answered 200, and ENDED once. What is told was done before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode, LifecycleKind, close_name
from quicgw_fast.events import SessionFacts
from quicgw_fast.session import Event

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.events import EventLog
    from quicgw_fast.flow.journal import Journal
    from quicgw_fast.placement import Placement
    from quicgw_fast.session import NotifyCount, Registry, ResumeDecision, Session


class Lifecycle:
    """Has sessions lose their connections and end, and tells of all that happens to them."""

    def __init__(self, clock: Clock, log: EventLog, registry: Registry, journal: Journal, placement: Placement) -> None:
        """``log`` has it for those who watch, ``journal`` for those who read logs, ``placement`` for other gateways."""
        self._journal = journal
        self._clock = clock
        self._log = log
        self._registry = registry
        self._placement = placement

    def began(self, session: Session, verdict: ResumeDecision) -> None:
        """A client has the session."""
        kind, reason, how = LifecycleKind.ATTACHED, "", "started"
        if verdict.resume is not None:
            kind, how = LifecycleKind.RESUMED, "resumed"
        elif verdict.gap:
            kind, reason, how = LifecycleKind.RESET, verdict.reason.name, f"reset ({verdict.reason.name})"
        self._settle(session)
        self._journal.began(session, session.peer, how, self._clock.now())
        self._tell(kind, session, reason)

    def detach(self, session: Session, code: int) -> None:
        """Take the session's connection from it, which is closed with this code."""
        session.apply(Event.DETACHED, self._clock.now())
        self._tell(LifecycleKind.DETACHED, session, close_name(code))

    def logged_in(self, session: Session) -> None:
        """Its login is complete: what it gave the session is there."""
        self._settle(session)
        self._tell(LifecycleKind.LOGGED_IN, session)

    def end(self, session: Session, event: Event, code: CloseCode, given: NotifyCount) -> int:
        """End the session as ``Registry.end`` does."""
        unanswered = self._registry.end(session, event, self._clock.now(), given)
        self._placement.released(session.openid, session.id)
        self._tell(LifecycleKind.ENDED, session, code.name if code is CloseCode.DRAINING else event.name)
        return unanswered

    def _settle(self, session: Session) -> None:
        self._placement.settled(session.openid, session.id, session.epoch, session.gid)

    def _tell(self, kind: LifecycleKind, of: Session, reason: str = "") -> None:
        if self._log.keep:
            self._log.tell(kind, SessionFacts(of.id, of.openid, of.gid, of.zone, of.epoch, of.peer), reason)
