"""Decide what a START means: continue a session, or begin a fresh one and say why (protocol §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.codes import ResetReason

if TYPE_CHECKING:
    from quicgw_fast.backend import Outbox
    from quicgw_fast.session.claim import StartClaim
    from quicgw_fast.session.registry import Ended, Registry
    from quicgw_fast.session.session import Session


@dataclass(slots=True, frozen=True)
class Gap:
    """What a client missed when its resume is refused; None where nobody can know it."""

    reason: ResetReason
    first: int | None = None
    """The first number that the client does not have."""
    last: int | None = None
    """The highest number that the lost session had sent."""
    responses: int | None = None
    notifies: int | None = None
    acknowledged: int | None = None
    """Of the missing numbers, how many this client had acknowledged before."""
    unnumbered: int | None = None
    """Counted in responses and notifies, but lost before they took a number: overflow, not yet due, not logged in."""
    unanswered: int | None = None
    """Requests that were in flight and whose replies will not come."""

    def headers(self) -> dict[str, str]:
        """The headers of the START_RESP that report the gap; a key is missing when its value is unknown."""
        values = {
            "gap-from": self.first,
            "gap-to": self.last,
            "gap-responses": self.responses,
            "gap-notifies": self.notifies,
            "gap-acknowledged": self.acknowledged,
            "gap-unnumbered": self.unnumbered,
            "gap-unanswered": self.unanswered,
        }
        known = {name: str(value) for name, value in values.items() if value is not None}
        return {"gap-reason": self.reason.name, **known}


@dataclass(slots=True, frozen=True)
class ResumeDecision:
    """``resume`` is the session to continue; otherwise a fresh one is made and ``gap`` says what was lost."""

    resume: Session | None = None
    gap: Gap | None = None
    lost: Session | Ended | None = None
    """The session that the claim's number belongs to and that cannot go on; None where there is none."""
    instead_of: Session | None = None
    """The live session that the claim means, where a fresh one is made."""

    @property
    def reason(self) -> ResetReason:
        """The reset reason of the START_RESP."""
        return self.gap.reason if self.gap else ResetReason.NONE


def decide(claim: StartClaim, registry: Registry, now: float) -> ResumeDecision:
    """Judge a START whose openid is authenticated; changes nothing.

    A session of another openid looks exactly like one that never was: nothing may be learnt by guessing ids.
    """
    if claim.fresh:
        return ResumeDecision()
    session = registry.devices.meant(claim)
    if session is None:
        return _judge_ended(claim, registry, now)
    reason = _refusal(claim, session)
    if reason is ResetReason.NONE:
        return ResumeDecision(resume=session)
    if reason in (ResetReason.EPOCH, ResetReason.FUTURE_ACK):  # a number of another history says nothing of this one
        return ResumeDecision(gap=Gap(reason, claim.last_acked + 1), instead_of=session)
    outbox = session.outbox
    gap = _gap(claim, reason, outbox, outbox.in_flight, outbox.held + outbox.bound)
    return ResumeDecision(gap=gap, lost=session, instead_of=session)


def _refusal(claim: StartClaim, session: Session) -> ResetReason:
    if claim.epoch and claim.epoch != session.epoch:
        return ResetReason.EPOCH
    if claim.last_acked > session.outbox.last_seq:
        return ResetReason.FUTURE_ACK
    if claim.last_acked < session.outbox.acked_seq:
        return ResetReason.NOT_RETAINED
    if session.outbox.overflowed:
        return ResetReason.OVERFLOW
    return ResetReason.NONE


def _judge_ended(claim: StartClaim, registry: Registry, now: float) -> ResumeDecision:
    ended = None
    if claim.session_id:
        ended = registry.ended_by_id(claim.session_id, now)
    elif registry.devices.policy.numbers_suffice:
        ended = registry.ended_by_openid(claim.openid, now)
    if ended is None or ended.openid != claim.openid:
        return ResumeDecision(gap=Gap(ResetReason.UNKNOWN_SESSION, claim.last_acked + 1))
    if (claim.epoch and claim.epoch != ended.epoch) or claim.last_acked > ended.outbox.last_seq:
        # As above: it ended, but the number is of another history.
        return ResumeDecision(gap=Gap(ResetReason.EXPIRED, claim.last_acked + 1))
    gap = _gap(claim, ResetReason.EXPIRED, ended.outbox, ended.unanswered, ended.undelivered)
    return ResumeDecision(gap=gap, lost=ended)


def _gap(claim: StartClaim, reason: ResetReason, outbox: Outbox, unanswered: int, undelivered: int) -> Gap:
    responses, notifies = outbox.missed(claim.last_acked)
    dropped_responses, dropped_notifies = outbox.dropped
    return Gap(
        reason,
        first=claim.last_acked + 1,
        last=outbox.last_seq,
        responses=responses + dropped_responses,
        notifies=notifies + dropped_notifies + undelivered,
        acknowledged=max(0, outbox.acked_seq - claim.last_acked),
        unnumbered=dropped_responses + dropped_notifies + undelivered,
        unanswered=unanswered,
    )
