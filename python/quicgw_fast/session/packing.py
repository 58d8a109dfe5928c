"""A session made into bytes for another gateway: all that it is and has, by the format in ``proto/session.proto``.

Nothing changes here, and nothing is decided. What is of one process alone is translated: moments of the monotonic clock
into durations, tickets of pushes into the terms that they stand for. Who waits for an acknowledgement is not taken
along, and of an offline store only what it gave out so far: that means something where both gateways have the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from quicgw_fast.proto import session_pb2 as pb
from quicgw_fast.session.states import SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quicgw_fast.backend.outbox_state import OutboxState
    from quicgw_fast.session.elsewhere import RequestElsewhere, WaitingRequest
    from quicgw_fast.session.heard import Heard
    from quicgw_fast.session.parcels import ParcelBook
    from quicgw_fast.session.session import Session
    from quicgw_fast.session.trail import Trail

VERSION: Final = 1
"""Of what is written here; readers go by features."""


def pack(
    session: Session,
    requests: Iterable[RequestElsewhere],
    waiting: Iterable[WaitingRequest],
    now: float,
    heard: Heard | None = None,
) -> bytes:
    """Return the session as it is at ``now``, with its requests without a reply: what stays, and what comes along.

    ``heard`` is what was for many lately, where others have the same for theirs.
    """
    state = state_of(session, session.outbox.export(), now)
    for request in requests:
        state.requests.add(
            client_seq=request.client_seq,
            msg_id=request.msg_id,
            action=request.action,
            is_login=request.is_login,
            ends_in=request.until - now,
            gateway=request.gateway,
        )
    for each in waiting:
        state.waiting.add(
            request=each.request.SerializeToString(),
            msg_id=each.msg_id,
            is_login=each.is_login,
            age=now - each.accepted_at,
            ends_in=each.deadline - now,
            metadata=dict(each.metadata),
            cost=each.cost,
        )
    if heard is not None:
        state.heard.extend(heard.ids)
        state.left_at = heard.at
    if session.trail:
        _pack_trail(session.trail, now, state)
    return state.SerializeToString()


def state_of(session: Session, outbox: OutboxState, now: float) -> pb.SessionState:
    """Return the session without its requests and its flight recorder; ``outbox`` is what its outbox exported."""
    state = pb.SessionState(
        version=VERSION,
        session_id=session.id,
        openid=session.openid,
        epoch=session.epoch,
        gid=session.gid,
        zone=session.zone,
        peer=session.peer,
        logged_in=session.state is SessionState.NORMAL,
        handed=session.handed,
        age=now - session.since,
        silent_for=now - session.last_activity,
        detached_for=None if session.detached_at is None else now - session.detached_at,
        token_ends_at=session.expires_at,
        told_interval=session.told_interval,
        allowance_full_in=max(0.0, _allowance_full_at(session) - now),
        attempts=session.attempts.by_epoch,
        stored=session.catch_up.unacknowledged,
        stored_up_to=session.catch_up.sent_up_to,
    )
    pack_outbox(outbox, session.parcels, now, state.outbox)
    for name, ends_at in (session.groups or {}).items():
        state.groups.add(group=name, ends_in=None if ends_at is None else ends_at - now)
    return state


def _allowance_full_at(session: Session) -> float:
    return session.allowance_full_at if session.allowance is None else session.allowance.full_at


def pack_outbox(outbox: OutboxState, parcels: ParcelBook | None, now: float, into: pb.OutboxState) -> None:
    """Write down what an outbox exported; ``parcels`` know the terms of its tickets."""
    into.acked = outbox.acked
    into.max_client_seq = outbox.max_client_seq
    into.kinds = outbox.kinds
    into.frames = outbox.frames
    into.open.extend(outbox.open)
    for bound in outbox.bound:
        drops_in, _ = _terms(parcels, bound.ticket, now)
        expires_in = bound.expires_at - now
        fields = {"client_seq": bound.client_seq, "before": bound.before, "body": bound.body}
        into.bound.add(**fields, expires_in=expires_in, drops_in=drops_in)
    for held in outbox.held:
        drops_in, key = _terms(parcels, held.ticket, now)
        into.held.add(body=held.body, drops_in=drops_in, supersede_key=key)
    into.releasing = outbox.releasing
    into.overflowed = outbox.overflowed
    into.dropped_responses, into.dropped_notifies = outbox.dropped
    into.tally.extend(outbox.tally[:-1])  # what is saved is of sessions that ended


def _terms(parcels: ParcelBook | None, ticket: int, now: float) -> tuple[float | None, str]:
    """In how many seconds a notify that waits is dropped, and its supersede key."""
    parcel = None if parcels is None else parcels.of_ticket(ticket)
    if parcel is None:
        return None, ""
    return None if parcel.expires_at == math.inf else parcel.expires_at - now, parcel.key


def _pack_trail(trail: Trail, now: float, state: pb.SessionState) -> None:
    for at, up, kind, number, size, duration, outcome, request in trail:
        entry = state.trail.add(
            ago=now - at, up=up, kind=kind.value, number=number, size=size, duration=duration, request=request
        )
        if isinstance(outcome, int):
            entry.code = outcome
        else:
            entry.word = outcome
