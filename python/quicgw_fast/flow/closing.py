"""How connections and sessions end: each way in one place, counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.session import Action, Event, NotifyCount

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.accounts import Accounts
    from quicgw_fast.flow.lifecycle import Lifecycle
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry, Session

_log = logging.getLogger("quicgw.session")


class Closing:
    """Carries out what the life of a session names when it ends, overflows, or loses its connection."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        registry: Registry,
        lifecycle: Lifecycle,
        accounts: Accounts,
        offline: Offline,
        give_up: Callable[[Session], None],
    ) -> None:
        """``give_up`` calls off what is done for a session: nobody gets the replies (protocol §3)."""
        self._clock = clock
        self._count_overflows = metrics.counter("overflows", "Sessions that had to miss something")
        self._count_in_flight_dropped = metrics.counter(
            "in_flight_dropped", "Requests that were in flight when their session ended"
        )
        self._count_sessions_expired = metrics.counter("sessions_expired", "Sessions whose resume window passed")
        self._registry = registry
        self._lifecycle = lifecycle
        self._accounts = accounts
        self._handovers = offline.handovers
        self._tracking = offline.tracking
        self._give_up = give_up

    def disconnect(self, session: Session, code: CloseCode, detail: str, *, flush: bool = True) -> None:
        """Close the session's connection, if there is one; the session stays and can be resumed.

        What was sent before arrives before the close, unless it is not to be waited for (``flush``).
        """
        link = session.link
        if link is None:
            return
        self._lifecycle.detach(session, code)
        link.close(code, code.phrase(detail), flush=flush)

    def binds_expired(self, session: Session) -> None:
        """Some of its bound notifies have expired: who waits for one of them is told."""
        self._tracking.look(session)

    def overflowed(self, session: Session) -> None:
        """The session missed something; its client learns it at once and can only start afresh (protocol §5).

        So nobody can get the replies to what is under way: they stay open until the session ends, and count as lost.
        """
        self._tracking.overflowed(session)
        for action in session.apply(Event.OVERFLOWED, self._clock.now()):
            match action:
                case Action.COUNT_OVERFLOW:
                    self._count_overflows.value += 1
                case Action.GIVE_UP:
                    self._give_up(session)
                case Action.CLOSE_CONNECTION:
                    detail = "the window overflowed; only a reset continues"
                    self.disconnect(session, CloseCode.SLOW_CONSUMER, detail)

    def end(self, session: Session, event: Event, code: CloseCode, detail: str) -> None:
        """End the session for good: its connection is closed and what was in flight is dropped and counted.

        What no connection took goes to the offline store, unless its client said STOP. That comes last: nothing of a
        session's messages may keep it from ending.
        """
        bodies: list[bytes] = []
        for action in session.due(event):
            match action:
                case Action.CLOSE_CONNECTION:
                    self.disconnect(session, code, detail)
                case Action.GIVE_UP:
                    self._give_up(session)
                case Action.HAND_OVER:
                    bodies = self._unsent(session)
        leaving = self._tracking.ends(session, event, session.handed, handed_over=bool(bodies))
        unnumbered = min(len(bodies), session.outbox.held)
        given = NotifyCount(len(bodies) - unnumbered, unnumbered)
        dropped = self._lifecycle.end(session, event, code, given)
        self._accounts.end(session.outbox.tally)
        self._count_in_flight_dropped.value += dropped
        self._handovers.begin(session, bodies, unnumbered, leaving)

    def move(self, session: Session) -> None:
        """Let the session go on at another gateway, which has all of it: nothing of it ends, and nothing is lost."""
        for action in session.due(Event.MOVED):
            if action is Action.CLOSE_CONNECTION:
                self.disconnect(session, CloseCode.SUPERSEDED, "the session goes on at another gateway")
        self._tracking.moves(session)
        self._registry.move(session, self._clock.now())

    def end_all(self) -> None:
        """End every session, because nobody resumes at a gateway that stops; one that cannot be ended is left."""
        for session in self._registry:
            try:
                self.end(session, Event.EXPIRED, CloseCode.DRAINING, "the gateway stops")
            except Exception:  # a bug, and no reason to lose what the others are owed
                _log.exception("session could not be ended", extra=session.ids)

    def expire(self, session: Session) -> bool:
        """End a session whose resume window passed, also between two rounds: its work may be skipped already."""
        if self._registry.serviceable(session, self._clock.now()):
            return False
        self._count_sessions_expired.value += 1
        self.end(session, Event.EXPIRED, CloseCode.IDLE, "resume window passed")
        return True

    def _unsent(self, session: Session) -> list[bytes]:
        try:
            return self._handovers.unsent(session)
        except MemoryError:  # then they are lost with the session, and its accounts and its gap report say so
            _log.exception("no memory to hand over pushes", extra=session.ids)
            return []
