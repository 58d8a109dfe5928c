"""START: authenticate, take over, resume or begin afresh (contract §2, §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast._proto.client_pb2 import ErrorMessage, StartResponse
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.ending import disconnect, end_session, expire
from quicgw_fast.flow.tokens import Tokens
from quicgw_fast.frame import parse_start, unnumbered
from quicgw_fast.session import Claim, Event, Session, Verdict, decide
from quicgw_fast.types import CloseCode, PushType, RequestType

if TYPE_CHECKING:
    from quicgw_fast._proto.client_pb2 import ClientRequest
    from quicgw_fast.auth import Grant
    from quicgw_fast.flow.conversation import Conversation
    from quicgw_fast.flow.parts import Parts

MAX_OPENID = 256
"""Bytes of an openid; longer ones are refused."""
MAX_LAST_ACKED = (1 << 63) - 1
"""A fresh session numbers on from what the client names, and numbers must not run out."""
CLOSES = {
    401: CloseCode.AUTH_FAILED,
    403: CloseCode.SUPERSEDED,
    429: CloseCode.OVERLOADED,
    503: CloseCode.DRAINING,
}
"""How a connection is closed whose START is refused with an error code; PROTOCOL_ERROR for every other."""


class Starting:
    """Decides about every START."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.tokens = Tokens(parts)
        limits = parts.config.limits
        self._limits = {
            "limit-in-flight": str(limits.in_flight),
            "limit-messages-per-second": _decimal(limits.messages_per_second),
        }

    def start(self, conversation: Conversation, request: ClientRequest) -> None:
        """Handle the first message of a connection; ProtocolError when it is no START."""
        if int(request.type) != RequestType.START:
            raise ProtocolError(400, "START expected", "the first message must be START", msg_id=request.msg_id)
        if conversation.link.departed:
            # Perhaps an old attempt, late in the network: a session must not be taken for who is gone (contract §2).
            self._parts.counters.add("starts_departed")
            conversation.ignore()
            return
        try:
            claim, token = _claim(request)
            if self._parts.draining:
                raise RequestError(503, "gateway stopping", "connect to another one", retry_after_ms=1000)
            grant = self.tokens.check(conversation.link.peer, claim.openid, token)
            if self._outdated(claim):
                self._parts.counters.add("starts_outdated")
                raise RequestError(403, "outdated START", "a newer attempt of the same epoch was here before")
        except RequestError as error:
            self.refuse(conversation, request.msg_id, error, CLOSES.get(error.code, CloseCode.PROTOCOL_ERROR))
            return
        self._begin(conversation, request.msg_id, claim, grant)

    def refuse_second(self, conversation: Conversation, request: ClientRequest) -> None:
        """START on a connection that has a session."""
        error = RequestError(400, "START twice", "this connection has its session; reconnect for another one")
        self.refuse(conversation, request.msg_id, error, CloseCode.PROTOCOL_ERROR)

    def refuse(self, conversation: Conversation, msg_id: int, error: RequestError, code: CloseCode) -> None:
        """Answer a START with what is wrong and close the connection (contract §2)."""
        self._parts.counters.add("starts_refused")
        told = ErrorMessage(error_code=error.code, error_message=error.message, detail=error.detail)
        answer = StartResponse(success=False, error=told).SerializeToString()
        conversation.link.send(unnumbered(msg_id, PushType.START_RESP, answer, error.headers))
        conversation.close(code, error.message)

    def _outdated(self, claim: Claim) -> bool:
        """Whether a newer attempt of the claim's epoch was acted on before; 0 is not compared (contract §2)."""
        return 0 < claim.attempt <= self._attempts(claim.openid).get(claim.epoch, 0)

    def _attempts(self, openid: str) -> dict[str, int]:
        registry = self._parts.registry
        last = registry.by_openid(openid) or registry.ended_by_openid(openid, self._parts.clock())
        return last.attempts if last is not None else {}

    def _begin(self, conversation: Conversation, msg_id: int, claim: Claim, grant: Grant) -> None:
        parts, now = self._parts, self._parts.clock()
        old = parts.registry.by_openid(claim.openid)
        if old is not None:
            expire(parts, old)
        verdict = decide(claim, parts.registry, now)
        session = verdict.resume
        if session is not None:
            self._supersede(session)
            session.outbox.ack(claim.last_acked)
            self._parts.offline.acknowledged(session)
            parts.counters.add("resumes")
        else:
            if verdict.lost is not None:  # what the client has of it need not be delivered once more
                self._parts.offline.received(claim.openid, verdict.lost.stored_ids, claim.last_acked)
            session = self._fresh(claim, now)
            parts.counters.add("resets" if verdict.gap else "starts")
        session.note_attempt(claim)
        session.expires_at = grant.expires_at
        conversation.session = session
        conversation.generation = session.attach(conversation.link, claim.last_acked, now)
        parts.journal.began(session, conversation.link.peer, _how(verdict), now)
        gap = verdict.gap.headers() if verdict.gap else {}
        headers = {**gap, **self.tokens.lifetime(grant), **self._limits}
        answer = self._answer(session, claim, verdict).SerializeToString()
        conversation.link.send(unnumbered(msg_id, PushType.START_RESP, answer, headers))
        parts.sender.pump(session)

    def _fresh(self, claim: Claim, now: float) -> Session:
        parts = self._parts
        attempts = dict(self._attempts(claim.openid))
        old = parts.registry.by_openid(claim.openid)
        if old is not None:
            self._supersede(old)
            end_session(parts, old, Event.REPLACED, CloseCode.SUPERSEDED, "a fresh session began")
        session = parts.registry.create(claim.openid, claim.last_acked, now)
        session.attempts = attempts
        return session

    def _supersede(self, session: Session) -> None:
        if session.attached:
            self._parts.counters.add("takeovers")
            disconnect(self._parts, session, CloseCode.SUPERSEDED, "a newer connection took over")

    def _answer(self, session: Session, claim: Claim, verdict: Verdict) -> StartResponse:
        times = self._parts.config.session
        return StartResponse(
            success=True,
            heartbeat_interval=max(1, int(times.heartbeat_interval)),
            connection_id=session.id,
            resumed=verdict.resume is not None,
            epoch=session.epoch,
            max_client_seq=session.outbox.max_client_seq,
            reset_reason=verdict.reason.value,  # type: ignore[arg-type]
            replay_from=claim.last_acked + 1,
            resume_window=max(1, int(times.resume_window)),
        )


def _how(verdict: Verdict) -> str:
    if verdict.resume is not None:
        return "resumed"
    return f"reset ({verdict.reason.name})" if verdict.gap else "started"


def _decimal(value: float) -> str:
    """Write a number without an exponent, which few parsers of headers expect."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _claim(request: ClientRequest) -> tuple[Claim, str]:
    """Validate a START and return what it claims, with the token; RequestError 400."""
    if request.seq_id:
        raise RequestError(400, "wrong seq_id", f"expected 0 for START, got {request.seq_id}")
    start = parse_start(request.payload)
    if not start.openid:
        raise RequestError(400, "missing field", "openid is empty")
    if len(start.openid.encode()) > MAX_OPENID:
        raise RequestError(400, "bad field", f"openid is over {MAX_OPENID} bytes")
    if start.last_acked_seq_id > MAX_LAST_ACKED:
        raise RequestError(400, "bad field", "last_acked_seq_id is over 2**63 - 1")
    claim = Claim(start.openid, start.last_acked_seq_id, start.session_id, start.epoch, start.attempt)
    return claim, start.auth_token
