"""How connections and sessions end: each way in one place, counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.session import Action, Event, NotifyCount

if TYPE_CHECKING:
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.session import Session

_log = logging.getLogger("quicgw.session")


def disconnect(parts: Parts, session: Session, code: CloseCode, detail: str, *, flush: bool = True) -> None:
    """Close the session's connection, if there is one; the session stays and can be resumed.

    What was sent before arrives before the close, unless it is not to be waited for (``flush``).
    """
    link = session.link
    if link is None:
        return
    session.apply(Event.DETACHED, parts.clock())
    link.close(code, code.phrase(detail), flush=flush)


def end_session(parts: Parts, session: Session, event: Event, code: CloseCode, detail: str) -> None:
    """End the session for good: its connection is closed and what was in flight is dropped and counted.

    What no connection took goes to the offline store, unless its client said STOP. That comes last: nothing of a
    session's messages may keep it from ending.
    """
    bodies: list[bytes] = []
    for action in session.due(event):
        match action:
            case Action.CLOSE_CONNECTION:
                disconnect(parts, session, code, detail)
            case Action.GIVE_UP:
                parts.requests.give_up(session)
            case Action.HAND_OVER:
                bodies = _unsent(parts, session)
    unnumbered = min(len(bodies), session.outbox.held)
    given = NotifyCount(len(bodies) - unnumbered, unnumbered)
    dropped = parts.registry.end(session, event, parts.clock(), given)
    parts.accounts.end(session.outbox.tally)
    parts.counters.add("in_flight_dropped", dropped)
    parts.offline.handovers.begin(session, bodies, unnumbered)


def _unsent(parts: Parts, session: Session) -> list[bytes]:
    try:
        return parts.offline.unsent(session)
    except MemoryError:  # then they are lost with the session, and its accounts and its gap report say so
        _log.exception("no memory to hand over pushes", extra={"session": session.id})
        return []


def end_all(parts: Parts) -> None:
    """End every session, because nobody resumes at a gateway that stops; one that cannot be ended is told and left."""
    for session in parts.registry:
        try:
            end_session(parts, session, Event.EXPIRED, CloseCode.DRAINING, "the gateway stops")
        except Exception:  # a bug, and no reason to lose what the others are owed
            _log.exception("session could not be ended", extra={"session": session.id})


def expire(parts: Parts, session: Session) -> bool:
    """End a session whose resume window passed, also between two rounds: its work may be skipped already."""
    if session.serviceable(parts.clock(), parts.config.session.resume_window):
        return False
    parts.counters.add("sessions_expired")
    end_session(parts, session, Event.EXPIRED, CloseCode.IDLE, "resume window passed")
    return True


def overflowed(parts: Parts, session: Session) -> None:
    """The session missed something; its client learns it at once and can only start afresh (protocol §5).

    So nobody can get the replies to what is under way: they stay open until the session ends, and then count as lost.
    """
    for action in session.apply(Event.OVERFLOWED, parts.clock()):
        match action:
            case Action.COUNT_OVERFLOW:
                parts.counters.add("overflows")
            case Action.GIVE_UP:
                parts.requests.give_up(session)
            case Action.CLOSE_CONNECTION:
                disconnect(parts, session, CloseCode.SLOW_CONSUMER, "the window overflowed; only a reset continues")
