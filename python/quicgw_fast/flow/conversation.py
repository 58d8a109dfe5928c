"""One client's connection: its messages told apart, each handed to whoever answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.carrier import unnumbered
from quicgw_fast.codes import CloseCode, ErrorCode, PushType, RequestType
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.call_metadata import metadata_of
from quicgw_fast.overload import Close, HeldFacts, MessageFacts, Traffic
from quicgw_fast.proto.client_pb2 import ErrorMessage
from quicgw_fast.session import DOWN, UP, EntryKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.arriving import Arriving
    from quicgw_fast.flow.control_messages import ControlMessages
    from quicgw_fast.flow.lifecycle import Lifecycle
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.flow.stages import StageTimes
    from quicgw_fast.flow.start import StartHandler
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate
    from quicgw_fast.ports import Carrier, Link, MessageReceiver
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.session import Session
    from quicgw_fast.session.trail import Trail
    from quicgw_fast.trace_context import StartTrace

COUNTED = frozenset({RequestType.BUSINESS, RequestType.HEARTBEAT})
"""Types that count towards their rate before they are looked at; others count when nothing good came of them.

These two take work whatever they say. An acknowledgement that acknowledges something is free, as there are no more of
those than messages sent down; STOP and START come once in an honest client's connection.
"""


KINDS: Final = {
    int(RequestType.BUSINESS): EntryKind.REQUEST,
    int(RequestType.HEARTBEAT): EntryKind.HEARTBEAT,
    int(RequestType.STOP): EntryKind.STOP,
}
"""As what they are recorded; of an acknowledgement the number is in its payload, so whoever reads that does it."""


class Legs:
    """Where the messages of a connection go, and what judges those that no leg does.

    The same for all connections, so made once: a connection keeps one reference in place of ten.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        lifecycle: Lifecycle,
        sender: OrderedSender[Session],
        starts: StartHandler,
        requests: Requests,
        control: ControlMessages,
        arriving: Arriving,
        stages: StageTimes,
        held: Gate[HeldFacts, Close],
        message: Gate[MessageFacts, Close],
    ) -> None:
        self.clock = clock
        self.count_protocol_errors = metrics.counter(
            "protocol_errors", "Connections that were closed for breaking the protocol"
        )
        self.count_requests_refused = metrics.counter("requests_refused", "Messages that were not accepted")
        self.count_floods_closed = metrics.counter(
            "floods_closed", "Connections that were closed for too many messages; refused has them by rule"
        )
        self.lifecycle = lifecycle
        self.sender = sender
        self.starts = starts
        self.requests = requests
        self.control = control
        self.arriving = arriving
        self.stages = stages
        self.judge_held = held.judge
        self.judge_message = message.judge


class Conversation:
    """The messages of one connection, and what is known about its client."""

    # A gateway keeps one for each of many thousand clients.
    __slots__ = (
        "_ended", "_legs", "_traffic", "_watched", "arriving", "born", "carrier", "generation", "link", "over",
        "refused_tokens", "session", "start_trace"
    )  # fmt: skip

    def __init__(
        self,
        link: Link,
        make_carrier: Callable[[MessageReceiver], Carrier],
        legs: Legs,
        watched: set[Conversation],
        ended: Callable[[Conversation, int, str, bool], None],
    ) -> None:
        """While it waits for something in time it is among the ``watched``.

        ``ended`` is called when the connection is gone, with its code, its reason, and whether its client closed it.
        """
        self.link = link
        self.session: Session | None = None
        self.generation = 0
        """Of the session's connections, which one this is."""
        self.born = legs.clock.now()
        self.refused_tokens = 0
        """Renewals that were refused; a few end the connection."""
        self.start_trace: StartTrace | None = None
        self.over = False
        """Whether the connection is closed, or about to be."""
        self.arriving = 0
        """Bytes of its messages that have not arrived, as all such bytes count (``Arriving``)."""
        self._traffic = Traffic()
        self._legs = legs
        self._watched = watched
        self._ended = ended
        self.carrier = make_carrier(self)
        """Makes messages of its bytes: the transport's handler of the connection."""

    @property
    def current(self) -> bool:
        """Whether this connection still speaks for its session: a newer one fences it (protocol §2)."""
        session = self.session
        return session is not None and session.link is not None and session.generation == self.generation

    @property
    def open(self) -> bool:
        """Whether anything that is done for this connection still reaches its client."""
        return not self.over and not self.link.closed

    def attach(self, session: Session, cursor: int) -> None:
        """Have it speak for ``session`` from now on; ``cursor`` is the highest number that its client has."""
        self.generation = session.attach(self.link, cursor, self._legs.clock.now())
        self.session = session
        self.watch(self.carrier.incomplete)

    # What the carrier and the transport report

    def writable(self) -> None:
        """The connection has room again: go on with what the outbox retains."""
        if self.current and self.session is not None:
            self._legs.sender.pump(self.session)

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        """The connection is gone, whoever decided it; without STOP the session can be resumed."""
        self.over = True
        if self.start_trace is not None:
            self.start_trace.left()
        self._legs.arriving.note(self, 0)
        if self.current and self.session is not None:
            self._legs.lifecycle.detach(self.session, code)
        self._ended(self, code, reason, by_peer)

    # How it ends from here

    def ignore(self) -> None:
        """Ignore whatever still comes: the client has left."""
        self.over = True

    def close(self, code: CloseCode, detail: str) -> None:
        """Close the connection; whatever still comes on it is ignored."""
        self.over = True
        if self.current and self.session is not None:
            self._legs.lifecycle.detach(self.session, code)
        self.link.close(code, code.phrase(detail))

    def fail(self, error: ProtocolError) -> None:
        """Tell the client what it did wrong, then close with PROTOCOL_ERROR."""
        self._legs.count_protocol_errors.value += 1
        if self.session is None:
            payload = ErrorMessage(error_code=error.code, error_message=error.message, detail=error.detail)
            self.link.send(unnumbered(error.msg_id, PushType.ERROR, payload.SerializeToString()))
        elif self.current:
            self._legs.sender.refuse(self.session, error.msg_id, error)
        self.close(CloseCode.PROTOCOL_ERROR, str(error))

    # Messages

    def watch(self, incomplete: bool) -> None:
        """Have the housekeeping look after it while a message has begun that is not complete, or START is missing."""
        if incomplete or self.arriving:
            self._note_arriving()
        if incomplete:
            self._watched.add(self)
        elif self.session is not None:
            self._watched.discard(self)

    def kept(self, held: int) -> None:
        """Bound what waits behind its START: so many bytes do."""
        self._note_arriving()
        refusal = self._legs.judge_held(HeldFacts(held))
        if refusal is not None:
            self._turn_away(refusal)

    def message(self, request: ClientRequest) -> None:
        """Take one message; ProtocolError where it ends the connection."""
        session = self.session
        if session is None:
            self._legs.starts.start(self, request)
            return
        if not self.current:
            self.over = True
            return
        now = self._legs.clock.now()
        session.last_activity = now
        if session.trail is not None and int(request.type) != RequestType.ACK:
            self._record(session, session.trail, request, now)
        try:
            self._route(session, request, now)
        except RequestError as error:
            self._refuse(session, request, error, now)

    def turn_away(self, messages: list[bytes], begin: int) -> int:
        """Refuse requests, as they came, for which there is no place, from one on: how many."""
        session = self.session
        if session is None or not self.current:
            return 0
        session.last_activity = now = self._legs.clock.now()
        return self._legs.requests.turn_away(session, messages, begin, self._traffic, now)

    def _refuse(self, session: Session, request: ClientRequest, error: RequestError, now: float) -> None:
        """Answer with the error, unless the client sends so many such messages that it is closed."""
        if int(request.type) not in COUNTED and self._floods(now):
            return
        self._legs.count_requests_refused.value += 1
        self._legs.sender.refuse(session, request.msg_id, error)
        if session.trail is not None:
            number = session.outbox.last_seq
            session.trail.append(
                (now, DOWN, EntryKind.ERROR, number, len(error.detail), None, error.code, request.seq_id)
            )

    def _record(self, session: Session, trail: Trail, request: ClientRequest, now: float) -> None:
        kind = KINDS.get(int(request.type), EntryKind.OTHER)
        if session.spoken is not None and kind is EntryKind.REQUEST:
            metadata = metadata_of(f"{session.id}-{request.seq_id}", request.headers)
            session.spoken.expect(request.seq_id, metadata)
        trail.append((now, UP, kind, request.seq_id, self._legs.stages.inflow.size, None, "", None))

    def _route(self, session: Session, request: ClientRequest, now: float) -> None:
        match int(request.type):
            case RequestType.BUSINESS:
                refusal = self._legs.requests.accept(session, request, self._traffic)
                if refusal is not None:
                    self._turn_away(refusal)
                else:
                    self._legs.stages.to_decode -= 1
                    if not self._legs.stages.to_decode:
                        self._legs.stages.accepted()
            case RequestType.ACK:
                if not self._legs.control.acknowledge(session, request):
                    self._floods(now)
            case RequestType.HEARTBEAT:
                if not self._floods(now):
                    self._legs.control.heartbeat(self, session, request)
            case RequestType.STOP:
                self._legs.control.stop(self, session, request)
            case RequestType.START:
                self._legs.starts.refuse_second(self, request)
            case other:
                raise RequestError(ErrorCode.BAD_REQUEST, "unknown request type", f"type {other}")

    def _floods(self, now: float) -> bool:
        """Close the connection if it sends too much beside its requests; what follows is not looked at."""
        refusal = self._legs.judge_message(MessageFacts(self._traffic, now))
        if refusal is not None:
            self._turn_away(refusal)
        return refusal is not None

    def _note_arriving(self) -> None:
        if not self.over:  # what is closed counts no more, and nothing is added to it
            self._legs.arriving.note(self, self.carrier.unfinished)

    def _turn_away(self, refusal: Close) -> None:
        self._legs.count_floods_closed.value += 1
        self.close(refusal.code, refusal.detail)
