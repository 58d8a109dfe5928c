"""Requests whose session is at another gateway than they are: accepted at the one, answered by the other's outbox.

Where a request runs, its reply finds the session gone and is handed on (``hand_on``). Where the session is, the reply
takes its number like any other (``take``), with whatever was bound to it there. A reply that cannot come any more, as
that gateway died or nothing was heard of it in time, is answered 500: whether the request ran nobody knows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.ports import TerminalReply
from quicgw_fast.session import Login

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.elsewhere import Elsewhere, HandedReply
    from quicgw_fast.flow.login import Logins
    from quicgw_fast.flow.ordered import OrderedActions
    from quicgw_fast.flow.replies import Replies
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry, RequestElsewhere, Session

GRACE: Final = 2.0
"""Seconds beyond its deadline in which the answer 504 of the gateway that has a request may still come."""
UNKNOWN: Final = TerminalReply.of_error(
    RequestError(
        ErrorCode.FAILED, "outcome unknown", "the gateway that had the request did not answer; it may have run"
    )
)

_log = logging.getLogger("quicgw.cluster")


class Abroad:
    """Brings replies to sessions that moved, in both directions."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        registry: Registry,
        elsewhere: Elsewhere,
        replies: Replies,
        logins: Logins,
        ordered: OrderedActions,
    ) -> None:
        self._clock = clock
        self._count_handed_on = metrics.counter(
            "replies_handed_on", "Replies that were given to the gateways to which their sessions went"
        )
        self._count_taken = metrics.counter("replies_from_elsewhere", "Replies that other gateways gave")
        self._count_late = metrics.counter(
            "replies_from_elsewhere_late", "Those of them that came too late, or a second time, and were left out"
        )
        self._count_unknown = metrics.counter(
            "replies_unknown", "Requests that were answered 500, as the gateway that had them did not answer"
        )
        metrics.gauge(
            "requests_elsewhere", "Requests of sessions here that other gateways work on", lambda: self._waiting()
        )
        self._registry = registry
        self._elsewhere = elsewhere
        self._replies = replies
        self._logins = logins
        self._ordered = ordered
        self._repeats = RepeatLog(_log)
        self._sessions: set[Session] = set()
        """Those that wait for replies of other gateways, or did."""

    def hand_on(self, session: Session, handed: HandedReply) -> None:
        """A request that was accepted here has its reply, and its session moved."""
        if self._registry.by_id(session.id) is not None:  # it came back
            self.take(handed)
            return
        self._count_handed_on.value += 1
        self._elsewhere.hand_on(handed)

    def arrived(self, session: Session) -> None:
        """A session came from another gateway."""
        if session.elsewhere:
            self._sessions.add(session)
            self._ordered.arrived(session)
            for request in [request for request in session.elsewhere.values() if request.lost]:
                self._unknown(session, request)

    def take(self, handed: HandedReply) -> bool:
        """Reply to a request of a session here; False where the session is not here.

        A second reply to a request is left out.
        """
        session = self._registry.by_id(handed.session_id)
        if session is None:
            return False
        self._count_taken.value += 1
        request = session.elsewhere.get(handed.client_seq)
        if request is None:
            self._count_late.value += 1
        else:
            self._answer(session, request, handed.reply)
        return True

    def gateway_lost(self, gateway: str) -> None:
        """A gateway died: what it had to answer it will not."""
        for session in self._live():
            for request in list(session.elsewhere.values()):
                if request.gateway == gateway:
                    self._unknown(session, request)

    def tend(self, now: float) -> None:
        """Answer those whose time is over: their gateway would have, if it could."""
        for session in self._live():
            for request in list(session.elsewhere.values()):
                if now > request.until + GRACE:
                    self._unknown(session, request)
        self._repeats.flush(now)

    def _live(self) -> list[Session]:
        """Those that still wait here: who ended or went on to a third gateway is nothing to answer for."""
        here = self._registry.by_id
        self._sessions = {each for each in self._sessions if each.elsewhere and here(each.id) is each}
        return list(self._sessions)

    def _unknown(self, session: Session, request: RequestElsewhere) -> None:
        self._count_unknown.value += 1
        fields = {**session.ids, "number": request.client_seq, "gateway": request.gateway}
        self._repeats.add(logging.WARNING, "reply unknown", request.gateway, self._clock.now(), fields)
        self._answer(session, request, UNKNOWN)

    def _answer(self, session: Session, request: RequestElsewhere, reply: TerminalReply) -> None:
        del session.elsewhere[request.client_seq]
        try:
            if request.is_login and session.login is Login.UNDER_WAY:
                self._logins.told(session, request, reply)
            else:
                self._replies.send(session, request.client_seq, request.msg_id, reply)
        finally:
            self._ordered.answered_elsewhere(session, request.action)

    def _waiting(self) -> int:
        return sum(len(session.elsewhere) for session in self._live())
