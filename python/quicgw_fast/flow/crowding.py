"""Requests for which the queue has no place: refused before their payload is parsed, and many at once (protocol §3).

In an overload refusing is most of what there is to do, and every bit of it comes before the answers that the workers
wait for. So of the messages that came together the engine takes as many as are plainly requests, and refuses them in
one step (``Outbox.turn_away``). Whatever is not plain, and whoever is over a limit of its own, goes the ordinary way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.overload import QueueFacts
from quicgw_fast.ports import TerminalReply
from quicgw_fast.processor import Denial
from quicgw_fast.session import Login, Session, SessionState

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.flow.replies import Replies
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate, Refusal, Traffic
    from quicgw_fast.processor import AsyncRequestProcessor
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.proto.service_pb2 import UpstreamResponse

HELLO = b"\n\x05hello"
"""How the payload of a login begins, but for its case: field 1 of BusinessRequest, and its length."""


TOLD_FOR: Final = 0.02
"""Seconds for which what is told stays the same."""


class _Told(NamedTuple):
    """What a client is told whose request is refused."""

    until: float
    """Monotonic seconds, from which on it is to be made anew."""
    facts: QueueFacts
    body: bytes | None
    """The error, encoded; None while nobody is refused, and it is only counted."""


class Crowding:
    """Refuses what its queue does not take, or would not take in time."""

    def __init__(
        self,
        metrics: Metrics,
        gate: Gate[QueueFacts, Refusal],
        processor: AsyncRequestProcessor[Session, UpstreamResponse],
        replies: Replies,
        engine: Engine,
    ) -> None:
        self._count_queue_full = metrics.counter(
            "queue_full", "Requests that were answered 503, as their queue was full or too slow; refused has the rule"
        )
        self._gate = gate
        self._processor = processor
        self._replies = replies
        self._engine = engine
        self._full = self._delay = _Told(0.0, QueueFacts("requests", full=False, retry_after=None), None)

    def refusal(self, session: Session, request: ClientRequest, now: float) -> Refusal | None:
        """Refuse a message that is bound for the queue of requests and gets no place.

        A hello of a client that is logged in is known by how its payload begins: so all encoders write it.
        """
        if request.payload[: len(HELLO)].lower() == HELLO:
            return None
        told = self._denied(session, now)
        refusal = None if told is None else self._gate.judge(told.facts)
        if refusal is not None:
            self._count(1)
        return refusal

    def no_place(self, queue: str, retry_after: float | None) -> Refusal:
        """Refuse a request of which its queue said that it has no place."""
        self._count_queue_full.value += 1
        refusal = self._gate.judge(QueueFacts(queue, full=True, retry_after=retry_after))
        assert refusal is not None  # it cannot be only counted
        return refusal

    def turn_away(self, session: Session, messages: list[bytes], begin: int, traffic: Traffic, now: float) -> int:
        """Refuse, of messages that came together, those that ``refusal`` would refuse, from one on: how many."""
        flood, allowance = traffic.requests, session.allowance
        # Limits of its own come first, and are told by the rules themselves: they may even end the connection.
        if flood is None or flood.wait(now) > 0 or (allowance is not None and allowance.wait(now) > 0):
            return 0
        told = self._denied(session, now)
        if told is None or told.body is None:
            return 0
        count = self._replies.turn_away(session, messages, begin, told.body)
        if count:
            self._gate.judge(told.facts, count)
            self._count(count)
            for _ in range(count):
                flood.take(now)
                if allowance is not None:
                    allowance.take(now)
        return count

    def _denied(self, session: Session, now: float) -> _Told | None:
        """Why the queue of requests is not for a message of the session, if it is where that is bound for.

        A client that is not logged in is told that first, and what comes behind a hello waits for it elsewhere.
        """
        if session.state is not SessionState.NORMAL or session.login is not Login.IDLE:
            return None
        denial = self._processor.denies(session)
        if denial is None:
            return None
        told = self._full if denial is Denial.FULL else self._delay
        return told if now < told.until else self._tell(denial, now)

    def _tell(self, denial: Denial, now: float) -> _Told:
        """Make what is told in the next moments, once for all: it is made for thousands."""
        facts = QueueFacts("requests", denial is Denial.FULL, self._processor.retry_after)
        refusal = self._gate.judge(facts, 0)
        told = _Told(now + TOLD_FOR, facts, None if refusal is None else self._body_of(refusal))
        if facts.full:
            self._full = told
        else:
            self._delay = told
        return told

    def _count(self, requests: int) -> None:
        self._count_queue_full.value += requests
        self._processor.turned_away(requests)

    def _body_of(self, refusal: Refusal) -> bytes:
        reply = TerminalReply.of_error(refusal.error())
        return self._engine.encode_body(reply.push_type, reply.code, reply.message, reply.data, reply.headers)
