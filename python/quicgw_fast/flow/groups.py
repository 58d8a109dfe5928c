"""Groups: who is in them, and what services push to all who are (protocol §4).

A push to a group goes the way of a broadcast (``to_many``), so that any two come in one order to all who get both. For
the same reason it can neither expire nor replace another one: what may be dropped has no number yet, and would come to
each member at another place.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.codes import PushCode
from quicgw_fast.delivery import notify_body
from quicgw_fast.flow.idempotency import Idempotency, KeyCounters
from quicgw_fast.flow.spreads import ForMany
from quicgw_fast.flow.targets import PushRefused, not_found, unwritten
from quicgw_fast.proto.service_pb2 import GroupMember, GroupMembersResponse, GroupPushResponse, GroupResponse
from quicgw_fast.session import LONGEST_NAME, MOST_OF_A_SESSION, EntryKind, is_member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.backend.engine import EncodeBody
    from quicgw_fast.clock import Clock
    from quicgw_fast.config import PushConfig
    from quicgw_fast.delivery import Barrier
    from quicgw_fast.flow.targets import Targets
    from quicgw_fast.flow.to_many import ToMany
    from quicgw_fast.observe import Metrics
    from quicgw_fast.proto.service_pb2 import (
        GroupMembersRequest,
        GroupPushRequest,
        JoinGroupRequest,
        LeaveGroupRequest,
    )
    from quicgw_fast.session import GroupIndex, Session

USUAL_PAGE: Final = 100
"""Members of a page where nobody says how many."""
LARGEST_PAGE: Final = 1000


class Groups:
    """Answers JoinGroup, LeaveGroup, PushToGroup and GroupMembers; what is refused changes nothing."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        targets: Targets,
        index: GroupIndex,
        many: ToMany,
        encode_body: EncodeBody,
        settings: PushConfig,
        barrier: Barrier[Session] | None,
    ) -> None:
        """``encode_body`` is the engine's, ``barrier`` the sender's."""
        self._clock = clock
        self._count_joins = metrics.counter(
            "group_joins", "Sessions that joined a group, or were given another time there"
        )
        self._count_leaves = metrics.counter("group_leaves", "Sessions that were taken out of a group by a service")
        self._count_pushes = metrics.counter("group_pushes", "Pushes to groups that services asked for")
        self._count_refused = metrics.counter("group_pushes_refused", "Pushes to groups that were refused")
        self._targets = targets
        self._index = index
        self._many = many
        self._encode_body = encode_body
        self._barrier = barrier
        counted = KeyCounters(
            metrics.counter("group_pushes_repeated", "Pushes to groups that were answered as one before them was"),
            metrics.counter(
                "group_push_keys_forgotten",
                "Idempotency keys of pushes to groups that were forgotten before their time",
            ),
        )
        self._keys = keys = Idempotency[GroupPushResponse](clock, settings, lambda answer: answer.success, counted)
        metrics.gauge("group_push_keys", "Idempotency keys of pushes to groups that are remembered", lambda: len(keys))
        self.reconfigure(settings)

    def reconfigure(self, settings: PushConfig) -> None:
        """Go by other bounds from now on; whoever is in a group stays there."""
        self._most = settings.group_memberships
        self._keys.reconfigure(settings)

    async def join(self, request: JoinGroupRequest) -> GroupResponse:
        """Have sessions be in a group, all that the target has or none."""
        try:
            _check_name(request.group)
            sessions = await self._sessions(request.target_type, request.target_id)
            self._check_room(sessions, request.group)
        except PushRefused as refused:
            return _refused(refused)
        ends_at = self._clock.now() + request.ttl_ms / 1000 if request.ttl_ms else None
        for session in sessions:
            self._index.join(session, request.group, ends_at)
        if not await self._written(sessions):
            return _refused(unwritten())
        self._count_joins.value += len(sessions)
        return GroupResponse(success=True, message="joined", sessions=len(sessions))

    async def leave(self, request: LeaveGroupRequest) -> GroupResponse:
        """Take sessions out of a group; also when none of them is in it."""
        try:
            _check_name(request.group)
            sessions = await self._sessions(request.target_type, request.target_id)
        except PushRefused as refused:
            return _refused(refused)
        now = self._clock.now()
        for session in sessions:
            self._index.tidy(session, now)
        members = [session for session in sessions if is_member(session, request.group, now)]
        for session in members:
            self._index.leave(session, request.group)
        if not await self._written(members):
            return _refused(unwritten())
        self._count_leaves.value += len(members)
        return GroupResponse(success=True, message="left" if members else "not a member", sessions=len(members))

    async def push(self, request: GroupPushRequest) -> GroupPushResponse:
        """Send one notify to every member; a group without any is no mistake."""
        self._count_pushes.value += 1
        try:
            _check_name(request.group)
            if not request.idempotency_key:
                return await self._take(request)
            return await self._keys.once((request.group,), request, partial(self._take, request))
        except PushRefused as refused:
            return self._refusal(refused.code, str(refused))

    async def members(self, request: GroupMembersRequest) -> GroupMembersResponse:
        """Return a page of those who are in a group."""
        try:
            _check_name(request.group)
            after = _cursor(request.cursor)
        except PushRefused as refused:
            return GroupMembersResponse(success=False, message=str(refused), error_code=refused.code)
        now, most = self._clock.now(), min(request.limit or USUAL_PAGE, LARGEST_PAGE)
        page = self._index.members_page(request.group, after, most, now)
        members = [_member(session, request.group, now) for session in page.there]
        following = "" if page.cursor is None else str(page.cursor)
        return GroupMembersResponse(success=True, message="members", members=members, next=following)

    async def _take(self, request: GroupPushRequest) -> GroupPushResponse:
        group = request.group
        try:
            body = notify_body(request, self._encode_body, {"notify-group": group})
        except FrameTooLarge as error:
            return self._refusal(PushCode.MESSAGE_TOO_LARGE, str(error))
        whom = partial(self._members, group), partial(self._still, group)
        many = ForMany(body, EntryKind.GROUP, group, *whom, request.spread_id)
        reached = await self._many.send(many)
        if reached.refusal is not None and not reached.sent:
            return self._refusal(reached.refusal.code, reached.refusal.why)
        return GroupPushResponse(
            success=True,
            message="sent",
            sent_count=reached.sent,
            member_count=reached.receivers,
            pending_bytes=reached.pending,
            most_pending_bytes=reached.most,
        )

    async def _written(self, changed: Sequence[Session]) -> bool:
        """Wait until the groups of these sessions are written down; False where that did not come to pass."""
        if self._barrier is None:
            return True
        for session in changed:
            self._barrier.changed(session)
        return all(await self._barrier.written(changed))

    def _members(self, group: str) -> list[Session]:
        return self._index.members(group, self._clock.now())

    def _still(self, group: str, sessions: list[Session]) -> list[Session]:
        now = self._clock.now()
        return [session for session in sessions if is_member(session, group, now)]

    def _refusal(self, code: str, why: str) -> GroupPushResponse:
        self._count_refused.value += 1
        return GroupPushResponse(success=False, message=why, error_code=code)

    async def _sessions(self, target_type: str, target_id: str) -> Sequence[Session]:
        """Whom a target stands for, one at least; PushRefused."""
        if target_type not in ("session", "openid"):
            raise PushRefused(PushCode.BAD_TARGET, "target_type must be one of session, openid")
        sessions = await self._targets.find(target_type, target_id)
        if sessions is None:
            raise PushRefused(PushCode.MOVED, "another node has it")
        if not sessions:
            raise not_found(target_type, target_id)
        return sessions

    def _check_room(self, sessions: Sequence[Session], group: str) -> None:
        """PushRefused where the sessions cannot all be in one group more."""
        now = self._clock.now()
        for session in sessions:
            self._index.tidy(session, now)
        new = [session for session in sessions if not is_member(session, group, now)]
        if any(len(session.groups or ()) >= MOST_OF_A_SESSION for session in new):
            raise PushRefused(PushCode.GROUP_LIMIT, f"a session may be in {MOST_OF_A_SESSION} groups")
        if self._index.memberships + len(new) > self._most and new:
            told = f"there are {self._index.memberships} memberships, of {self._most} (push.group_memberships)"
            raise PushRefused(PushCode.GROUP_LIMIT, told)


def _refused(refused: PushRefused) -> GroupResponse:
    return GroupResponse(success=False, message=str(refused), error_code=refused.code)


def _member(session: Session, group: str, now: float) -> GroupMember:
    ends_at = (session.groups or {})[group]
    left = 0 if ends_at is None else max(1, round((ends_at - now) * 1000))
    return GroupMember(session_id=session.id, openid=session.openid, attached=session.attached, left_ms=left)


def _check_name(group: str) -> None:
    """PushRefused for what cannot be the name of a group: it stands in logs, pages and terminals as it is."""
    if not group:
        raise PushRefused(PushCode.BAD_GROUP, "group is empty")
    if len(group.encode()) > LONGEST_NAME:
        raise PushRefused(PushCode.BAD_GROUP, f"the name of a group may have {LONGEST_NAME} bytes in UTF-8")
    if not group.isprintable():
        raise PushRefused(
            PushCode.BAD_GROUP, "the name of a group must be printable: no line breaks or control characters"
        )


def _cursor(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise PushRefused(PushCode.BAD_OPTIONS, "cursor must be what next of the page before says")
    return int(text or 0)
