"""START: authenticate, take over, resume or begin afresh (protocol §2, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.carrier import unnumbered
from quicgw_fast.codes import CloseCode, ErrorCode, PushType, RequestType
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.flow.payloads import parse_start
from quicgw_fast.flow.pending_starts import PendingStarts
from quicgw_fast.overload import GATEWAY_STOPS, StartFacts
from quicgw_fast.proto.client_pb2 import ErrorMessage, StartResponse
from quicgw_fast.session import (
    NO_NOTIFIES,
    Event,
    Gap,
    ResumeDecision,
    Session,
    StartClaim,
    decide,
    gap_to_tell,
)

if TYPE_CHECKING:
    from quicgw_fast.auth import Grant
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import LimitsConfig, SessionConfig
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.conversation import Conversation
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.journal import Journal
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.tokens import Tokens
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.session import Registry

MAX_OPENID = 256
"""Bytes of an openid; longer ones are refused."""
MAX_LAST_ACKED = (1 << 63) - 1
"""A fresh session numbers on from what the client names, and numbers must not run out."""
CLOSES = {
    ErrorCode.UNAUTHORIZED: CloseCode.AUTH_FAILED,
    ErrorCode.FORBIDDEN: CloseCode.SUPERSEDED,
    ErrorCode.RATE_LIMITED: CloseCode.OVERLOADED,
    ErrorCode.OVERLOADED: CloseCode.DRAINING,
}
"""How a connection is closed whose START is refused with an error code; PROTOCOL_ERROR for every other."""


@dataclass(slots=True, frozen=True)
class _Start:
    """An authenticated START that is being acted on."""

    conversation: Conversation
    msg_id: int
    claim: StartClaim
    grant: Grant
    verdict: ResumeDecision


class StartHandler:
    """Decides about every START."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        draining: DrainState,
        registry: Registry,
        sender: OrderedSender[Session],
        closing: Closing,
        offline: Offline,
        tokens: Tokens,
        gate: Gate[StartFacts],
        journal: Journal,
        times: SessionConfig,
        limits: LimitsConfig,
    ) -> None:
        self._clock = clock
        self._count_starts = metrics.counter("starts", "Sessions that began without anything lost")
        self._count_resets = metrics.counter(
            "resets", "Sessions that began afresh where an earlier one could not go on"
        )
        self._count_starts_departed = metrics.counter(
            "starts_departed", "STARTs that were not acted on, as their client had left already"
        )
        self._count_starts_outdated = metrics.counter(
            "starts_outdated", "STARTs that were refused, as a newer attempt of the same epoch was here before"
        )
        self._count_starts_refused = metrics.counter("starts_refused", "STARTs that were refused, whatever for")
        self._count_resumes = metrics.counter("resumes", "Sessions that were resumed")
        self._count_takeovers = metrics.counter(
            "takeovers", "Connections that were closed because a newer one took over their session"
        )
        self._draining = draining
        self._registry = registry
        self._sender = sender
        self._closing = closing
        self._offline = offline
        self._tokens = tokens
        self._gate = gate
        self._journal = journal
        self._times = times
        self._pending = PendingStarts()
        self._limits = {
            # Replies that are not acknowledged yet and those to come share the window: half of it for each.
            "limit-in-flight": str(max(1, min(limits.in_flight, times.window_messages // 2))),
            "limit-messages-per-second": _decimal(limits.messages_per_second),
            "limit-window-bytes": str(times.window_bytes),
        }

    def start(self, conversation: Conversation, request: ClientRequest) -> None:
        """Handle the first message of a connection; ProtocolError when it is no START."""
        if int(request.type) != RequestType.START:
            raise ProtocolError(
                ErrorCode.BAD_REQUEST, "START expected", "the first message must be START", msg_id=request.msg_id
            )
        if conversation.link.departed:
            # Perhaps an old attempt, late in the network: a session must not be taken for who is gone (protocol §2).
            self._count_starts_departed.value += 1
            conversation.ignore()
            return
        try:
            claim, token = _claim(request)
            facts = StartFacts(conversation.link.peer, claim.openid, self._draining.active, self._clock.now())
            refusal = self._gate.judge(facts)
            if refusal is not None:
                raise refusal.error()
            grant = self._tokens.check(conversation.link.peer, claim.openid, token)
            if self._registry.attempts(claim.openid, self._clock.now()).outdated(claim):
                self._count_starts_outdated.value += 1
                raise RequestError(
                    ErrorCode.FORBIDDEN, "outdated START", "a newer attempt of the same epoch was here before"
                )
        except RequestError as error:
            self.refuse(conversation, request.msg_id, error, CLOSES.get(error.code, CloseCode.PROTOCOL_ERROR))
            return
        self._begin(conversation, request.msg_id, claim, grant)

    def refuse_second(self, conversation: Conversation, request: ClientRequest) -> None:
        """START on a connection that has a session."""
        error = RequestError(
            ErrorCode.BAD_REQUEST, "START twice", "this connection has its session; reconnect for another one"
        )
        self.refuse(conversation, request.msg_id, error, CloseCode.PROTOCOL_ERROR)

    def refuse(self, conversation: Conversation, msg_id: int, error: RequestError, code: CloseCode) -> None:
        """Answer a START with what is wrong and close the connection (protocol §2)."""
        self._count_starts_refused.value += 1
        told = ErrorMessage(error_code=error.code, error_message=error.message, detail=error.detail)
        answer = StartResponse(success=False, error=told).SerializeToString()
        conversation.link.send(unnumbered(msg_id, PushType.START_RESP, answer, error.headers))
        conversation.close(code, error.message)

    def _begin(self, conversation: Conversation, msg_id: int, claim: StartClaim, grant: Grant) -> None:
        self._pending.newer(claim.openid)
        old = self._registry.by_openid(claim.openid)
        if old is not None:
            self._closing.expire(old)
        start = _Start(conversation, msg_id, claim, grant, decide(claim, self._registry, self._clock.now()))
        if start.verdict.resume is not None:
            self._resume(start, start.verdict.resume)
            return
        self._end_old(start)
        undecided = self._offline.handovers.undecided(claim.openid)
        if undecided is None:
            self._begin_fresh(start)
        else:
            self._registry.attempts(claim.openid, self._clock.now()).note(claim)  # an older one must not take its place
            go_on, give_way = partial(self._begin_fresh, start), partial(self._give_way, start)
            self._pending.hold(claim.openid, conversation, undecided, go_on, give_way)

    def _resume(self, start: _Start, session: Session) -> None:
        self._supersede(session)
        session.outbox.ack(start.claim.last_acked)
        self._offline.acknowledged(session)
        self._count_resumes.value += 1
        self._attach(start, session)

    def _end_old(self, start: _Start) -> None:
        lost = start.verdict.lost
        if isinstance(lost, Session):
            lost.outbox.ack(start.claim.last_acked)  # delivered: the client says so
        if lost is not None:  # what the client has of it need not be delivered once more
            self._offline.received(start.claim.openid, lost.catch_up, start.claim.last_acked)
        old = self._registry.by_openid(start.claim.openid)
        if old is not None:
            self._supersede(old)
            self._closing.end(old, Event.REPLACED, CloseCode.SUPERSEDED, "a fresh session began")

    def _begin_fresh(self, start: _Start) -> None:
        claim = start.claim
        if self._draining.active:  # since it was held
            self.refuse(start.conversation, start.msg_id, GATEWAY_STOPS.error(), CloseCode.DRAINING)
            return
        (self._count_resets if start.verdict.gap else self._count_starts).value += 1
        session = self._registry.create(claim.openid, claim.last_acked, self._clock.now())
        self._attach(start, session)

    def _give_way(self, start: _Start) -> None:
        newer = RequestError(ErrorCode.FORBIDDEN, "superseded", "a newer connection took over")
        self.refuse(start.conversation, start.msg_id, newer, CloseCode.SUPERSEDED)

    def _attach(self, start: _Start, session: Session) -> None:
        conversation, claim, grant = start.conversation, start.claim, start.grant
        now = self._clock.now()
        session.attempts.note(claim)
        session.expires_at = grant.expires_at
        conversation.session = session
        conversation.watch(conversation.carrier.incomplete)
        conversation.generation = session.attach(conversation.link, claim.last_acked, now)
        self._journal.began(session, conversation.link.peer, _how(start.verdict), now)
        gap = self._gap(start)
        headers = {**(gap.headers() if gap else {}), **self._tokens.lifetime(grant), **self._limits}
        answer = self._answer(session, claim, start.verdict).SerializeToString()
        conversation.link.send(unnumbered(start.msg_id, PushType.START_RESP, answer, headers))
        self._sender.acknowledged(session)
        self._sender.pump(session)

    def _gap(self, start: _Start) -> Gap | None:
        """What the client missed, without what the offline store delivers again, with what that could not take."""
        lost_id = start.verdict.lost.id if start.verdict.lost is not None else ""
        ended = self._registry.ended_by_id(lost_id, self._clock.now())
        losses = self._offline.handovers.losses.take(start.claim.openid, lost_id)
        return gap_to_tell(start.verdict.gap, NO_NOTIFIES if ended is None else ended.given, losses)

    def _supersede(self, session: Session) -> None:
        if session.attached:
            self._count_takeovers.value += 1
            self._closing.disconnect(session, CloseCode.SUPERSEDED, "a newer connection took over")

    def _answer(self, session: Session, claim: StartClaim, verdict: ResumeDecision) -> StartResponse:
        times = self._times
        return StartResponse(
            success=True,
            heartbeat_interval=times.told_interval,
            connection_id=session.id,
            resumed=verdict.resume is not None,
            epoch=session.epoch,
            max_client_seq=session.outbox.max_client_seq,
            reset_reason=verdict.reason.value,  # type: ignore[arg-type]
            replay_from=claim.last_acked + 1,
            resume_window=max(1, int(times.resume_window)),
        )


def _how(verdict: ResumeDecision) -> str:
    if verdict.resume is not None:
        return "resumed"
    return f"reset ({verdict.reason.name})" if verdict.gap else "started"


def _decimal(value: float) -> str:
    """Write a number without an exponent, which few parsers of headers expect."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _claim(request: ClientRequest) -> tuple[StartClaim, str]:
    """Validate a START and return what it claims, with the token; RequestError 400."""
    if request.seq_id:
        raise RequestError(ErrorCode.BAD_REQUEST, "wrong seq_id", f"expected 0 for START, got {request.seq_id}")
    start = parse_start(request.payload)
    if not start.openid:
        raise RequestError(ErrorCode.BAD_REQUEST, "missing field", "openid is empty")
    if len(start.openid.encode()) > MAX_OPENID:
        raise RequestError(ErrorCode.BAD_REQUEST, "bad field", f"openid is over {MAX_OPENID} bytes")
    if start.last_acked_seq_id > MAX_LAST_ACKED:
        raise RequestError(ErrorCode.BAD_REQUEST, "bad field", "last_acked_seq_id is over 2**63 - 1")
    claim = StartClaim(start.openid, start.last_acked_seq_id, start.session_id, start.epoch, start.attempt)
    return claim, start.auth_token
