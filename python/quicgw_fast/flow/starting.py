"""START: authenticate, take over, resume or begin afresh (contract §2, §5); and tokens renewed on the way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast._proto.client_pb2 import ErrorMessage, StartResponse
from quicgw_fast.auth import AuthRefused
from quicgw_fast.config import split_address
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.ending import disconnect, end_session, expire
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
TOKEN_TRIES = 3
"""Refused tokens on one connection before it is closed."""

_log = logging.getLogger("quicgw.session")


class Starting:
    """Decides about every START and about tokens that clients renew with a heartbeat."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def start(self, conversation: Conversation, request: ClientRequest) -> None:
        """Handle the first message of a connection; ProtocolError when it is no START."""
        if int(request.type) != RequestType.START:
            raise ProtocolError(400, "START expected", "the first message must be START", msg_id=request.msg_id)
        try:
            claim, token = _claim(request)
            if self._parts.draining:
                raise RequestError(503, "gateway stopping", "connect to another one", retry_after_ms=1000)
            grant = self._authenticate(conversation, claim.openid, token)
        except RequestError as error:
            code = {401: CloseCode.AUTH_FAILED, 429: CloseCode.AUTH_FAILED, 503: CloseCode.DRAINING}
            self.refuse(conversation, request.msg_id, error, code.get(error.code, CloseCode.PROTOCOL_ERROR))
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

    def refresh(self, conversation: Conversation, session: Session, request: ClientRequest) -> dict[str, str] | None:
        """Take the new token of a heartbeat's header ``auth-token``, if there is one.

        Returns the headers of the answer, None when the connection was closed; RequestError 401 for a bad token.
        """
        token = request.headers.get("auth-token")
        if token is None:
            return {}
        try:
            grant = self._authenticate(conversation, session.openid, token)
        except RequestError as error:
            conversation.refused_tokens += error.code == 401  # 429 is no word about this token
            if conversation.refused_tokens < TOKEN_TRIES:
                raise
            conversation.close(CloseCode.AUTH_FAILED, "too many refused tokens")
            return None
        session.expires_at = grant.expires_at
        return {"auth-refresh": "ok", **self._lifetime(grant)}

    def _authenticate(self, conversation: Conversation, openid: str, token: str) -> Grant:
        parts = self._parts
        address, now = split_address(conversation.link.peer)[0], parts.clock()
        wait = parts.attempts.allowed(address, now)
        if wait > 0:
            raise RequestError(429, "too many refused tokens", retry_after_ms=int(wait * 1000) + 1)
        try:
            return parts.authenticator.authenticate(openid, token, parts.wall())
        except AuthRefused as refused:
            parts.attempts.failed(address, now)
            parts.counters.add("auth_refused")
            _log.warning("token refused", extra={"openid": openid, "peer": address, "reason": str(refused)})
            # One sentence for every cause: a guesser must not learn which part was wrong.
            raise RequestError(401, "authentication failed") from refused

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
            if isinstance(verdict.lost, Session):
                verdict.lost.outbox.ack(claim.last_acked)  # delivered: the client says so
            if verdict.lost is not None:  # what the client has of it need not be delivered once more
                self._parts.offline.received(claim.openid, verdict.lost.stored_ids, claim.last_acked)
            session = self._fresh(claim, now)
            parts.counters.add("resets" if verdict.gap else "starts")
        session.expires_at = grant.expires_at
        conversation.session = session
        conversation.generation = session.attach(conversation.link, claim.last_acked, now)
        headers = {**(verdict.gap.headers() if verdict.gap else {}), **self._lifetime(grant)}
        answer = self._answer(session, claim, verdict).SerializeToString()
        conversation.link.send(unnumbered(msg_id, PushType.START_RESP, answer, headers))
        parts.sender.acknowledged(session)
        parts.sender.pump(session)

    def _fresh(self, claim: Claim, now: float) -> Session:
        parts = self._parts
        old = parts.registry.by_openid(claim.openid)
        if old is not None:
            self._supersede(old)
            end_session(parts, old, Event.REPLACED, CloseCode.SUPERSEDED, "a fresh session began")
        return parts.registry.create(claim.openid, claim.last_acked, now)

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

    def _lifetime(self, grant: Grant) -> dict[str, str]:
        if grant.expires_at is None:
            return {}
        return {"token-expires-in": str(max(0, int(grant.expires_at - self._parts.wall())))}


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
    claim = Claim(start.openid, start.last_acked_seq_id, start.session_id, start.epoch)
    return claim, start.auth_token
