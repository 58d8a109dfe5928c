"""One client's connection: bytes in, messages told apart, each handed to whoever answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.carrier import parse_envelope, unnumbered
from quicgw_fast.codes import CloseCode, ErrorCode, PushType, RequestType
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.overload import HeldFacts, MessageFacts, Traffic
from quicgw_fast.proto.client_pb2 import ErrorMessage
from quicgw_fast.session import Event

if TYPE_CHECKING:
    from quicgw_fast.backend import FrameDecoder
    from quicgw_fast.flow.conversations import Conversations
    from quicgw_fast.overload import Refusal
    from quicgw_fast.ports import Link
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.session import Session

MAX_BODY = 1 << 20
"""Bytes of one message (protocol §1)."""
MAX_BODY_BEFORE_START = 4 << 10
"""Bytes of the first message, from a client that nobody knows yet (protocol §1)."""
HELD_COST = 128
"""Bytes that keeping one of them costs beside its body."""

COUNTED = frozenset({RequestType.BUSINESS, RequestType.HEARTBEAT})
"""Types that count towards their rate before they are looked at; others count when nothing good came of them."""


class Conversation:
    """The transport's handler of one connection; nothing that a client sends raises out of here."""

    def __init__(self, link: Link, decoder: FrameDecoder, legs: Conversations) -> None:
        """``legs`` are where its messages go, and who is told of its end."""
        self.link = link
        self.session: Session | None = None
        self.generation = 0
        """Of the session's connections, which one this is."""
        self.born = legs.clock.now()
        self.refused_tokens = 0
        """Renewals that were refused; a few end the connection."""
        self._partial_since: float | None = None
        """When the message began that is incomplete; None at a border between messages."""
        self._partial_at = 0.0
        """When the last bytes of it came."""
        self._over = False
        self._held: list[bytes] | None = None
        """Messages that came behind a START that waits; None while none does."""
        self._held_bytes = 0
        self._decoder = decoder
        self._traffic = Traffic()
        self._legs = legs

    @property
    def over(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._over

    @property
    def current(self) -> bool:
        """Whether this connection still speaks for its session: a newer one fences it (protocol §2)."""
        session = self.session
        return session is not None and session.link is not None and session.generation == self.generation

    @property
    def open(self) -> bool:
        """Whether anything that is done for this connection still reaches its client."""
        return not self._over and not self.link.closed

    @property
    def held(self) -> bool:
        """Whether its START waits (see ``PendingStarts``)."""
        return self._held is not None

    def hold(self) -> None:
        """Keep what the client sends from now on until ``let_go``."""
        self._held, self._held_bytes = [], 0

    def let_go(self) -> None:
        """Go on with what was kept, in order."""
        bodies, self._held = self._held or [], None
        for body in bodies:
            if self._over:
                return
            self._message(body)

    # The transport's side

    def received(self, data: bytes) -> None:
        """Take bytes of the stream."""
        if self._over:
            return
        try:
            bodies, failure = self._decoder.feed(data), None
        except FrameTooLarge as error:
            bodies, failure = error.messages, ProtocolError(ErrorCode.TOO_LARGE, "message too large", str(error))
        for body in bodies:
            if self._over:
                return
            self._message(body)
        if failure is not None and not self._over:
            self.fail(failure)
        if self._decoder.partial or self in self._legs.watched:
            self._watch_partial(progress=bool(bodies))

    def writable(self) -> None:
        """The connection has room again: go on with what the outbox retains."""
        if self.current and self.session is not None:
            self._legs.sender.pump(self.session)

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        """The connection is gone, whoever decided it; without STOP the session can be resumed."""
        self._over = True
        if self.current and self.session is not None:
            self.session.apply(Event.DETACHED, self._legs.clock.now())
        self._legs.ended(self, code, reason, by_peer=by_peer)

    # How it ends from here

    def ignore(self) -> None:
        """Ignore whatever still comes: the client has left."""
        self._over = True

    def close(self, code: CloseCode, detail: str) -> None:
        """Close the connection; whatever still comes on it is ignored."""
        self._over = True
        if self.current and self.session is not None:
            self.session.apply(Event.DETACHED, self._legs.clock.now())
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

    def slow_for(self, now: float) -> str:
        """Say what is too slow about the message that is incomplete at ``now``; empty when nothing is (protocol §3)."""
        if self._partial_since is None:
            return ""
        times = self._legs.times
        if now - self._partial_at > times.frame_timeout:
            return f"no byte of a message for {times.frame_timeout:g} s"
        # The rate counts from where a message of nothing but pauses would have been given up.
        due = (now - self._partial_since - times.frame_timeout) * times.frame_rate
        return f"a message came with less than {times.frame_rate} bytes a second" if self._decoder.partial < due else ""

    def _watch_partial(self, *, progress: bool) -> None:
        if self._decoder.partial:
            self._partial_at = self._legs.clock.now()
            if self._partial_since is None or progress:
                self._partial_since = self._partial_at
                self._legs.watched.add(self)
        else:
            self._partial_since = None
            if self.session is not None:
                self._legs.watched.discard(self)

    def _message(self, body: bytes) -> None:
        if self._held is not None:
            self._held.append(body)
            self._held_bytes += len(body) + HELD_COST
            self._turned_away(self._legs.gates.held.judge(HeldFacts(self._held_bytes)))
            return
        try:
            self._dispatch(parse_envelope(body))
        except ProtocolError as error:
            self.fail(error)

    def _dispatch(self, request: ClientRequest) -> None:
        session = self.session
        if session is None:
            self._legs.starts.start(self, request)
            return
        if not self.current:
            self._over = True
            return
        now = self._legs.clock.now()
        session.last_activity = now
        try:
            self._route(session, request, now)
        except RequestError as error:
            if int(request.type) not in COUNTED and self._floods(now):
                return
            self._legs.count_requests_refused.value += 1
            self._legs.sender.refuse(session, request.msg_id, error)

    def _route(self, session: Session, request: ClientRequest, now: float) -> None:
        match int(request.type):
            case RequestType.BUSINESS:
                if not self._floods(now, request=True):
                    self._legs.requests.accept(session, request)
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

    def _floods(self, now: float, *, request: bool = False) -> bool:
        """Close the connection if it sends too much of a kind; what follows is not looked at."""
        if not self._turned_away(self._legs.gates.message.judge(MessageFacts(self._traffic, request, now))):
            return False
        self._legs.count_floods_closed.value += 1
        return True

    def _turned_away(self, refusal: Refusal | None) -> bool:
        if refusal is None:
            return False
        self.close(CloseCode.OVERLOADED, refusal.message)
        return True
