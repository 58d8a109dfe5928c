"""A session made of the bytes that another gateway packed (``packing``).

Bytes of other releases are read as far as they are known; a session that has something which this release would leave
out is refused as a whole. Whatever is wrong with them is found before anything is taken: a session is here whole or not
at all.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from google.protobuf.message import DecodeError

from quicgw_fast.backend.outbox_state import BoundState, HeldState, OutboxState
from quicgw_fast.backend.tally import Tally
from quicgw_fast.proto import session_pb2 as pb
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.session.catch_up import CatchUp
from quicgw_fast.session.claim import Attempts
from quicgw_fast.session.elsewhere import RequestElsewhere, WaitingRequest
from quicgw_fast.session.heard import Heard
from quicgw_fast.session.session import Session
from quicgw_fast.session.states import Login, SessionState, WindowState
from quicgw_fast.session.trail import EntryKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicgw_fast.backend import Outbox
    from quicgw_fast.session.parcels import Parcel
    from quicgw_fast.session.trail import Entry

KNOWN_FEATURES: Final[frozenset[int]] = frozenset()
"""Numbers of what a session must not lose and does not lose here; there is none yet."""
_KINDS: Final = {kind.value: kind for kind in EntryKind}


class UnreadableSession(Exception):
    """The bytes are no session, or one that this release would lose a part of; a sentence says what to do."""


class ArrivedSession(NamedTuple):
    """A session that is not in the registry yet."""

    session: Session
    parcels: list[Parcel]
    """What waits in its outbox and may be dropped or replaced."""
    waiting: list[WaitingRequest]
    """Its requests that wait behind a hello."""
    groups: dict[str, float | None]
    """That it is in, and until when."""
    heard: Heard | None
    """What was for many lately where it comes from."""


def read(data: bytes) -> pb.SessionState:
    """Parse what ``pack`` made; UnreadableSession when that is not possible or would leave something out."""
    try:
        state = pb.SessionState.FromString(data)
    except DecodeError as error:
        raise UnreadableSession(f"{len(data)} bytes are no session: {error}") from error
    unknown = sorted(set(state.required_features) - KNOWN_FEATURES)
    if unknown:
        raise UnreadableSession(
            f"the session of a gateway with format {state.version} needs features {unknown}, which this release does "
            "not know: upgrade this gateway, too, or finish the rollout before the feature is used"
        )
    if not (state.session_id and state.openid and state.epoch and state.HasField("outbox")):
        raise UnreadableSession("the session has no id, openid, epoch or outbox: whoever sent it is no gateway")
    return state


def unpack(
    state: pb.SessionState, gateway: str, outbox: Outbox, new_parcel: Callable[[float, str], Parcel], now: float
) -> ArrivedSession:
    """Make the session, which came from ``gateway`` unless it says more; ``outbox`` becomes its.

    ``new_parcel`` makes one by its end and its supersede key. Raises the engine's BudgetFull, and UnreadableSession for
    what no session can be in.
    """
    parcels: list[Parcel] = []
    restored = _outbox(state.outbox, parcels, new_parcel, now)
    try:
        outbox.restore(restored)
        session, waiting = _session(state, outbox, gateway, now), list(_waiting(state, now))
    except (ValueError, OverflowError, DecodeError) as error:
        raise UnreadableSession(f"session {state.session_id} contradicts itself: {error}") from error
    groups = {each.group: now + each.ends_in if each.HasField("ends_in") else None for each in state.groups}
    heard = Heard(frozenset(state.heard), state.left_at) if state.HasField("left_at") else None
    return ArrivedSession(session, parcels, waiting, groups, heard)


def _session(state: pb.SessionState, outbox: Outbox, gateway: str, now: float) -> Session:
    elsewhere = {request.client_seq: request for request in _requests(state, gateway, now)}
    overflowed = outbox.overflowed
    under_way = not overflowed and any(request.is_login for request in elsewhere.values())
    return Session(
        id=state.session_id,
        openid=state.openid,
        epoch=state.epoch,
        outbox=outbox,
        last_activity=now - _seconds(state.silent_for),
        state=SessionState.NORMAL if state.logged_in else SessionState.INITED,
        login=Login.UNDER_WAY if under_way else Login.IDLE,
        window=WindowState.OVERFLOWED if overflowed else WindowState.COMPLETE,
        cursor=outbox.acked_seq,
        handed=state.handed,
        detached_at=now - (_seconds(state.detached_for) if state.HasField("detached_for") else 0.0),
        expires_at=state.token_ends_at if state.HasField("token_ends_at") else None,
        told_interval=state.told_interval,
        gid=state.gid,
        attempts=Attempts(dict(state.attempts)),
        zone=state.zone,
        since=now - _seconds(state.age),
        peer=state.peer,
        trail=deque(_trail(state, now)),
        elsewhere=elsewhere,
        allowance_full_at=now + _seconds(state.allowance_full_in),
        catch_up=CatchUp(sent_up_to=state.stored_up_to, unacknowledged=dict(state.stored)),
    )


def _requests(state: pb.SessionState, gateway: str, now: float) -> Iterator[RequestElsewhere]:
    for each in state.requests:
        until = now + _seconds(each.ends_in)
        where = each.gateway or state.came_from or gateway
        yield RequestElsewhere(each.client_seq, each.msg_id, each.action, each.is_login, until, where, each.lost)


def _waiting(state: pb.SessionState, now: float) -> Iterator[WaitingRequest]:
    for each in state.waiting:
        request, metadata = UpstreamRequest.FromString(each.request), tuple(each.metadata.items())
        times = now - _seconds(each.age), now + _seconds(each.ends_in)
        yield WaitingRequest(request, each.msg_id, each.is_login, *times, metadata, each.cost)


def _outbox(
    state: pb.OutboxState, parcels: list[Parcel], new_parcel: Callable[[float, str], Parcel], now: float
) -> OutboxState:
    def ticket(notify: pb.BoundNotify | pb.HeldNotify, key: str) -> int:
        patient = notify.HasField("drops_in")
        if not patient and not key:
            return 0
        parcels.append(new_parcel(now + notify.drops_in if patient else math.inf, key))
        return parcels[-1].ticket

    return OutboxState(
        acked=state.acked,
        max_client_seq=state.max_client_seq,
        kinds=state.kinds,
        frames=state.frames,
        open=list(state.open),
        bound=[
            BoundState(each.client_seq, each.before, each.body, now + each.expires_in, ticket(each, ""))
            for each in state.bound
        ],
        held=[HeldState(each.body, ticket(each, each.supersede_key)) for each in state.held],
        releasing=state.releasing,
        overflowed=state.overflowed,
        dropped=(state.dropped_responses, state.dropped_notifies),
        tally=Tally(*state.tally[:6]),
    )


def _trail(state: pb.SessionState, now: float) -> Iterator[Entry]:
    for entry in state.trail:
        yield (
            now - _seconds(entry.ago),
            entry.up,
            _KINDS.get(entry.kind, EntryKind.OTHER),
            entry.number if entry.HasField("number") else None,
            entry.size,
            entry.duration if entry.HasField("duration") else None,
            entry.code if entry.WhichOneof("outcome") == "code" else entry.word,
            entry.request if entry.HasField("request") else None,
        )


def _seconds(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"a duration of {value} seconds")
    return value
