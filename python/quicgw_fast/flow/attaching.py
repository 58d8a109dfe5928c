"""Which session an admitted START gets: the one to go on with, or a fresh one that takes over (protocol §2, §5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quicgw_fast.carrier import unnumbered
from quicgw_fast.codes import CloseCode, ErrorCode, PushType, ResetReason
from quicgw_fast.errors import RequestError
from quicgw_fast.proto.client_pb2 import StartResponse
from quicgw_fast.session import NO_NOTIFIES, Event, Gap, ResumeDecision, Session, StartClaim, decide, gap_to_tell

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import LimitsConfig, SessionConfig
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.lifecycle import Lifecycle
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.pending_starts import AdmittedStart, PendingStarts
    from quicgw_fast.flow.replication import Replication
    from quicgw_fast.flow.start_refusals import StartRefusals
    from quicgw_fast.flow.tokens import Tokens
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import LostSession
    from quicgw_fast.session import Registry


RECOVERED: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Classes of how many messages a resume sends again; the window has 1024 by default."""
RETRY_WRITING: Final = 500
"""Milliseconds after which a client may come again whose session could not be written down."""
OUTCOMES: Final = (
    ("started", ResetReason.NONE.name),
    ("resumed", ResetReason.NONE.name),
    *(("reset", reason.name) for reason in ResetReason if reason is not ResetReason.NONE),
)
"""What becomes of a START that is not refused."""


class Attaching:
    """Gives each client its session, and tells it in the answer to START what it is and what it missed."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        registry: Registry,
        sender: OrderedSender[Session],
        closing: Closing,
        offline: Offline,
        tokens: Tokens,
        pending: PendingStarts,
        lifecycle: Lifecycle,
        times: SessionConfig,
        limits: Callable[[], LimitsConfig],
        refusals: StartRefusals,
        may_act: Callable[[str], bool] | None,
        replication: Replication | None,
    ) -> None:
        """``limits`` are those that hold when a client comes, which it is told (protocol §2).

        ``may_act`` says whether an openid is still here; None where it cannot go. ``replication`` is there where a
        session has to be written down before its client may know of it.
        """
        self._clock = clock
        self._count_starts = metrics.counter("starts", "Sessions that began without anything lost")
        self._count_resets = metrics.counter(
            "resets", "Sessions that began afresh where an earlier one could not go on"
        )
        self._count_resumes = metrics.counter("resumes", "Sessions that were resumed")
        self._count_outcomes = metrics.counters(
            "session_starts",
            "STARTs that got a session: started afresh, resumed, or reset and why (protocol §5)",
            ("result", "reason"),
            OUTCOMES,
        )
        self._recovered = metrics.distribution(
            "resume_recovered_messages", "Messages that a resume sent again, as its client did not have them", RECOVERED
        )
        self._count_takeovers = metrics.counter(
            "takeovers", "Connections that were closed because a newer one took over their session"
        )
        self._registry = registry
        self._sender = sender
        self._closing = closing
        self._handovers = offline.handovers
        self._stored = offline.stored
        self._tracking = offline.tracking
        self._tokens = tokens
        self._pending = pending
        self._lifecycle = lifecycle
        self._limits = limits
        self._refusals = refusals
        self._may_act = may_act
        self._replication = replication
        self.reconfigure(times)

    def reconfigure(self, times: SessionConfig) -> None:
        """Tell other times to the clients that come from now on."""
        self._times = times
        self._told = self._limits(), _headers(self._limits(), times)

    def attach(self, start: AdmittedStart, lost: Sequence[LostSession] = ()) -> None:
        """Answer a START whose openid lives here; it may have to wait for the offline store first.

        ``lost`` are sessions of the openid that died with their gateways.
        """
        for session in self._registry.devices.of(start.claim.openid):
            self._closing.expire(session)
        died = [each.session_id for each in lost]
        verdict = decide(start.claim, self._registry, self._clock.now(), died)
        if verdict.resume is not None:
            self._resume(start, verdict, verdict.resume)
            return
        self._end_old(start, verdict)
        undecided = self._handovers.undecided(start.claim.openid)
        if undecided is None:
            self._begin_fresh(start, verdict)
        else:
            self._pending.hold(start, undecided, partial(self._begin_fresh, start, verdict))

    def _resume(self, start: AdmittedStart, verdict: ResumeDecision, session: Session) -> None:
        self._supersede(session, "a newer connection took over")
        session.outbox.ack(start.claim.last_acked)
        self._tracking.acknowledged(session)
        self._stored.acknowledged(session)
        self._count_resumes.value += 1
        self._recovered.observe(session.outbox.last_seq - start.claim.last_acked)
        self._attach(start, verdict, session)

    def _end_old(self, start: AdmittedStart, verdict: ResumeDecision) -> None:
        lost = verdict.lost
        if isinstance(lost, Session):
            lost.outbox.ack(start.claim.last_acked)  # delivered: the client says so
            self._tracking.acknowledged(lost)
        if lost is not None:  # what the client has of it need not be delivered once more
            self._stored.received(start.claim.openid, lost.catch_up, start.claim.last_acked)
        self._make_room(start.claim.openid, verdict.instead_of)

    def _make_room(self, openid: str, instead_of: Session | None = None) -> None:
        """End the sessions that give way to another one of their openid."""
        most = self._registry.devices.policy.most
        for session in self._registry.devices.leaving(openid, instead_of):
            alone = most == 1 or session is instead_of
            told = "a newer connection took over" if alone else f"another device came, and {most} may be there"
            self._supersede(session, told)
            self._closing.end(session, Event.REPLACED, CloseCode.SUPERSEDED, "a fresh session began")

    def _begin_fresh(self, start: AdmittedStart, verdict: ResumeDecision) -> None:
        claim = start.claim
        if self._may_act is not None and not self._may_act(claim.openid):
            gone = RequestError(
                ErrorCode.OVERLOADED, "not at this gateway", "a newer START came to another one meanwhile"
            )
            self._refusals.refuse(start.client, start.msg_id, gone, CloseCode.INTERNAL)
            return
        self._make_room(claim.openid)  # others may have come while this one waited for the offline store
        (self._count_resets if verdict.gap else self._count_starts).value += 1
        session = self._registry.create(claim.openid, claim.last_acked, self._clock.now())
        self._attach(start, verdict, session)

    def _attach(self, start: AdmittedStart, verdict: ResumeDecision, session: Session) -> None:
        client, claim, grant = start.client, start.claim, start.grant
        session.attempts.note(claim)
        session.expires_at, session.told_interval = grant.expires_at, self._times.told_interval
        client.attach(session, claim.last_acked)
        self._registry.devices.attached(session)
        self._count_outcomes[_result(verdict), verdict.reason.name].value += 1
        self._lifecycle.began(session, verdict)
        if self._replication is None:
            self._tell(start, verdict, session)
        else:
            written = self._replication.started(session)
            self._pending.hold(start, written, partial(self._written, start, verdict, session, written))

    def _written(
        self, start: AdmittedStart, verdict: ResumeDecision, session: Session, written: asyncio.Future[None]
    ) -> None:
        """The session is written down, or nobody waits for that any longer."""
        if not start.client.current:  # it ended meanwhile
            return
        if self._replication is None or not written.done():
            why = "the directory does not answer, in which the session has to be written down"
            error = RequestError(ErrorCode.OVERLOADED, "not now", why, retry_after_ms=RETRY_WRITING)
            self._refusals.refuse(start.client, start.msg_id, error, CloseCode.INTERNAL)
            return
        self._replication.answered(session)
        self._tell(start, verdict, session)

    def _tell(self, start: AdmittedStart, verdict: ResumeDecision, session: Session) -> None:
        """Answer the START, and send what its client does not have."""
        client, claim, grant = start.client, start.claim, start.grant
        gap = self._gap(claim.openid, verdict)
        headers = {**(gap.headers() if gap else {}), **self._tokens.lifetime(grant), **self._limits_now()}
        answer = self._answer(session, claim, verdict).SerializeToString()
        client.link.send(unnumbered(start.msg_id, PushType.START_RESP, answer, headers))
        if client.start_trace is not None:
            client.start_trace.attached(session.id, _result(verdict))
            client.start_trace = None
        self._sender.acknowledged(session)
        self._sender.pump(session)
        self._tokens.granted(session, grant)

    def _limits_now(self) -> Mapping[str, str]:
        limits = self._limits()
        if limits is not self._told[0]:
            self._told = limits, _headers(limits, self._times)
        return self._told[1]

    def _gap(self, openid: str, verdict: ResumeDecision) -> Gap | None:
        """What the client missed, without what the offline store delivers again, with what that could not take."""
        lost_id = verdict.lost.id if verdict.lost is not None else ""
        ended = self._registry.ended_by_id(lost_id, self._clock.now())
        losses = self._handovers.losses.take(openid, lost_id)
        return gap_to_tell(verdict.gap, NO_NOTIFIES if ended is None else ended.given, losses)

    def _supersede(self, session: Session, told: str) -> None:
        if session.attached:
            self._count_takeovers.value += 1
            self._closing.disconnect(session, CloseCode.SUPERSEDED, told)

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


def _headers(limits: LimitsConfig, times: SessionConfig) -> Mapping[str, str]:
    return {
        # Replies that are not acknowledged yet and those to come share the window: half of it for each.
        "limit-in-flight": str(max(1, min(limits.in_flight, times.window_messages // 2))),
        "limit-messages-per-second": _decimal(limits.messages_per_second),
        "limit-window-bytes": str(times.window_bytes),
    }


def _result(verdict: ResumeDecision) -> str:
    if verdict.resume is not None:
        return "resumed"
    return "reset" if verdict.gap else "started"


def _decimal(value: float) -> str:
    """Write a number without an exponent, which few parsers of headers expect."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
