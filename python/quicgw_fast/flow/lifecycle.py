"""The one place where it is told what happens to sessions: whatever of it an outsider sees, in its order.

A session is ATTACHED, RESUMED or RESET when a client has it, DETACHED when that client's connection is gone, whoever
decided it, LOGGED_IN with each hello that is answered 200, and ENDED once. What is told was done before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode, EventKind, close_name
from quicgw_fast.events import SessionFacts
from quicgw_fast.session import Event

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.events import EventLog
    from quicgw_fast.session import NotifyCount, Registry, ResumeDecision, Session


class Lifecycle:
    """Has sessions lose their connections and end, and tells of all that happens to them."""

    def __init__(self, clock: Clock, log: EventLog, registry: Registry) -> None:
        self._clock = clock
        self._log = log
        self._registry = registry

    def began(self, session: Session, verdict: ResumeDecision) -> None:
        """A client has the session."""
        if verdict.resume is not None:
            self._tell(EventKind.RESUMED, session)
        elif verdict.gap is not None:
            self._tell(EventKind.RESET, session, verdict.reason.name)
        else:
            self._tell(EventKind.ATTACHED, session)

    def detach(self, session: Session, code: int) -> None:
        """Take the session's connection from it, which is closed with this code."""
        session.apply(Event.DETACHED, self._clock.now())
        self._tell(EventKind.DETACHED, session, close_name(code))

    def logged_in(self, session: Session) -> None:
        """Its login is complete: what it gave the session is there."""
        self._tell(EventKind.LOGGED_IN, session)

    def end(self, session: Session, event: Event, code: CloseCode, given: NotifyCount) -> int:
        """End the session as ``Registry.end`` does."""
        unanswered = self._registry.end(session, event, self._clock.now(), given)
        self._tell(EventKind.ENDED, session, code.name if code is CloseCode.DRAINING else event.name)
        return unanswered

    def _tell(self, kind: EventKind, of: Session, reason: str = "") -> None:
        if self._log.keep:
            self._log.tell(kind, SessionFacts(of.id, of.openid, of.gid, of.zone, of.epoch, of.peer), reason)
