"""One client's connection: bytes in, messages told apart, each handed to whoever answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast._proto.client_pb2 import (
    ClientAck,
    ClientRequest,
    ErrorMessage,
    HeartbeatRequest,
    HeartbeatResponse,
    StopRequest,
)
from quicgw_fast.backend.errors import FrameTooLarge, FutureAck
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.ending import end_session
from quicgw_fast.frame import parse_envelope, parse_payload, unnumbered
from quicgw_fast.session import Event
from quicgw_fast.types import CloseCode, PushType, RequestType

if TYPE_CHECKING:
    from quicgw_fast.flow.parts import Parts
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.flow.starting import Starting
    from quicgw_fast.ports import Link
    from quicgw_fast.session import Session

MAX_BODY = 1 << 20
"""Bytes of one message (contract §1)."""
MAX_BODY_BEFORE_START = 4 << 10
"""Bytes of the first message, from a client that nobody knows yet (contract §1)."""


class Conversation:
    """The transport's handler of one connection; nothing that a client sends raises out of here."""

    def __init__(self, link: Link, parts: Parts, starting: Starting, requests: Requests) -> None:
        self.link = link
        self.session: Session | None = None
        self.generation = 0
        self.born = parts.clock()
        self.partial_since: float | None = None
        """Since when a message is incomplete; None at a border between messages."""
        self.refused_tokens = 0
        self._parts = parts
        self._starting = starting
        self._requests = requests
        self._over = False
        self._decoder = parts.engine.FrameDecoder(MAX_BODY, MAX_BODY_BEFORE_START)
        parts.conversations.add(self)
        parts.counters.add("connections")

    @property
    def current(self) -> bool:
        """Whether this connection still speaks for its session: a newer one fences it (contract §2)."""
        session = self.session
        return session is not None and session.attached and session.generation == self.generation

    # The transport's side

    def received(self, data: bytes) -> None:
        """Take bytes of the stream."""
        if self._over:
            return
        try:
            bodies, failure = self._decoder.feed(data), None
        except FrameTooLarge as error:
            bodies, failure = error.messages, ProtocolError(413, "message too large", str(error))
        for body in bodies:
            if self._over:
                return
            self._message(body)
        if failure is not None and not self._over:
            self.fail(failure)
        self._watch_partial(progress=bool(bodies))

    def writable(self) -> None:
        """The connection has room again: go on with what the outbox retains."""
        if self.current and self.session is not None:
            self._parts.sender.pump(self.session)

    def closed(self, code: int, reason: str, by_peer: bool) -> None:  # noqa: ARG002
        """The connection is gone; without STOP the session can be resumed."""
        self._parts.conversations.discard(self)
        self._over = True
        if self.current and self.session is not None:
            self.session.detach(self._parts.clock())

    # How it ends from here

    def close(self, code: CloseCode, detail: str) -> None:
        """Close the connection; whatever still comes on it is ignored."""
        self._over = True
        if self.current and self.session is not None:
            self.session.detach(self._parts.clock())
        self.link.close(code, code.phrase(detail))

    def fail(self, error: ProtocolError) -> None:
        """Tell the client what it did wrong, then close with PROTOCOL_ERROR."""
        self._parts.counters.add("protocol_errors")
        if self.session is None:
            payload = ErrorMessage(error_code=error.code, error_message=error.message, detail=error.detail)
            self.link.send(unnumbered(error.msg_id, PushType.ERROR, payload.SerializeToString()))
        elif self.current:
            self._parts.sender.refuse(self.session, error.msg_id, error.code, error.message, error.detail, {})
        self.close(CloseCode.PROTOCOL_ERROR, str(error))

    # Messages

    def _watch_partial(self, *, progress: bool) -> None:
        if not self._decoder.partial:
            self.partial_since = None
        elif self.partial_since is None or progress:
            self.partial_since = self._parts.clock()

    def _message(self, body: bytes) -> None:
        try:
            self._dispatch(parse_envelope(body))
        except ProtocolError as error:
            self.fail(error)

    def _dispatch(self, request: ClientRequest) -> None:
        session = self.session
        if session is None:
            self._starting.start(self, request)
            return
        if not self.current:
            self._over = True
            return
        session.touch(self._parts.clock())
        try:
            self._route(session, request)
        except RequestError as error:
            self._parts.counters.add("requests_refused")
            self._parts.sender.refuse(session, request.msg_id, error.code, error.message, error.detail, error.headers)

    def _route(self, session: Session, request: ClientRequest) -> None:
        match int(request.type):
            case RequestType.BUSINESS:
                self._requests.accept(session, request)
            case RequestType.ACK:
                self._acknowledge(session, request)
            case RequestType.HEARTBEAT:
                self._heartbeat(session, request)
            case RequestType.STOP:
                self._stop(session, request)
            case RequestType.START:
                self._starting.refuse_second(self, request)
            case other:
                raise RequestError(400, "unknown request type", f"type {other}")

    def _acknowledge(self, session: Session, request: ClientRequest) -> None:
        _require_unnumbered(request)
        acked = parse_payload(ClientAck, request.payload).acked_seq_id
        try:
            freed = session.outbox.ack(acked)
        except FutureAck as error:
            raise ProtocolError(400, "acknowledged what was never sent", str(error), msg_id=request.msg_id) from error
        if freed:
            session.crowded_since = None
            self._parts.sender.acknowledged(session)
            self._parts.offline.acknowledged(session)

    def _heartbeat(self, session: Session, request: ClientRequest) -> None:
        _require_unnumbered(request)
        beat = parse_payload(HeartbeatRequest, request.payload)
        if self.link.pending > 2 * MAX_BODY + self._parts.config.session.window_bytes:
            # More than ordered messages can make: answers that are never read must not pile up.
            self.close(CloseCode.SLOW_CONSUMER, "heartbeats are sent but nothing is read")
            return
        headers = self._starting.refresh(self, session, request)
        if headers is None:
            return
        answer = HeartbeatResponse(
            client_timestamp=beat.client_timestamp, server_timestamp=int(self._parts.wall() * 1000)
        )
        self.link.send(unnumbered(request.msg_id, PushType.HEARTBEAT_RESP, answer.SerializeToString(), headers))

    def _stop(self, session: Session, request: ClientRequest) -> None:
        reason = parse_payload(StopRequest, request.payload).reason
        name = StopRequest.Reason.Name(reason) if reason in StopRequest.Reason.values() else str(reason)
        self._over = True
        self._parts.counters.add("stops")
        end_session(self._parts, session, Event.STOPPED, CloseCode.NORMAL, f"STOP {name}")


def _require_unnumbered(request: ClientRequest) -> None:
    if request.seq_id:
        raise RequestError(400, "wrong seq_id", f"expected 0 for this type, got {request.seq_id}")
