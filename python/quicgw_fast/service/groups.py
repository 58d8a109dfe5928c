"""Groups of sessions, and who is there, as a service asks its gateways for them (protocol §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicgw_fast.codes import PushCode
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.service.errors import GatewayUnreachable, GroupRefused, ServiceMistake, notify_refused
from quicgw_fast.service.gateways import of_all
from quicgw_fast.service.pushing import Broadcasted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from quicgw_fast.service.gateway_link import GatewayLink
    from quicgw_fast.service.gateways import Gateways
    from quicgw_fast.service.pushing import OutgoingNotify

PAGE = 1000
"""Members that are asked for at once."""


@dataclass(frozen=True, slots=True)
class MemberOfGroup:
    """A session that is in a group."""

    session_id: str
    openid: str
    attached: bool
    """Whether its client is there."""
    left: float | None
    """Seconds until it leaves by itself; None: as long as it lives."""


@dataclass(frozen=True, slots=True)
class PresentSession:
    """A session of an openid. Moments are seconds since 1970."""

    session_id: str
    attached: bool
    """Whether its client is there."""
    logged_in: bool
    since: float
    detached_since: float | None
    """When its client went; None while one is there."""
    address: str
    """Of its client, also after that has gone."""
    zone: str
    gid: str
    groups: tuple[str, ...]


class GroupCaller:
    """Asks all gateways of a service: a group has members at any of them."""

    def __init__(self, gateways: Gateways, timeout: float) -> None:
        """``timeout``: seconds for the answer of one gateway."""
        self._gateways = gateways
        self._timeout = timeout

    async def join(self, group: str, kind: str, target: str, ttl: float, called_by: str = "") -> int:
        """Have sessions be in a group; how many. Raises GroupRefused and GatewayUnreachable."""
        request = pb.JoinGroupRequest(target_type=kind, target_id=target, group=group, ttl_ms=_milliseconds(ttl))
        return await self._change(kind, called_by, lambda link: link.join_group(request, self._timeout))

    async def leave(self, group: str, kind: str, target: str, called_by: str = "") -> int:
        """Take sessions out of a group; how many were in it. Raises GroupRefused and GatewayUnreachable."""
        request = pb.LeaveGroupRequest(target_type=kind, target_id=target, group=group)
        return await self._change(kind, called_by, lambda link: link.leave_group(request, self._timeout))

    async def push(self, group: str, message: OutgoingNotify, idempotency_key: str) -> Broadcasted:
        """Hand a message to every gateway for all members there; raises NotifyRefused and GatewayUnreachable."""
        request = pb.GroupPushRequest(
            group=group,
            msg_type=message.kind,
            title=message.title,
            content=message.content,
            data=message.encoded(),
            metadata=dict(message.metadata or {}),
            idempotency_key=idempotency_key,
        )
        answers = await of_all(await self._way(), lambda link: link.push_to_group(request, self._timeout))
        refused = [notify_refused(answer.error_code, answer.message) for answer in answers if not answer.success]
        if len(refused) == len(answers):
            raise refused[0]
        return Broadcasted.of(answers)

    async def members(self, group: str) -> AsyncIterator[MemberOfGroup]:
        """Yield those that are in a group; raises GroupRefused and GatewayUnreachable.

        The latter also behind all others, where nodes of a cluster do not answer that may have some.
        """
        silent: list[str] = []
        for link in await self._way():
            cursor = ""
            while True:
                request = pb.GroupMembersRequest(group=group, limit=PAGE, cursor=cursor)
                answer = await link.group_members(request, self._timeout)
                if not answer.success:
                    raise GroupRefused(answer.error_code, answer.message)
                silent += answer.unreached_nodes
                for member in answer.members:
                    left = member.left_ms / 1000 or None
                    yield MemberOfGroup(member.session_id, member.openid, member.attached, left)
                cursor = answer.next
                if not cursor:
                    break
            if answer.everywhere:
                break
        if silent:
            raise GatewayUnreachable(f"where {group!r} may have members there is no answer: {', '.join(silent)}")

    async def sessions_of(self, openid: str) -> list[PresentSession]:
        """All sessions of an openid; raises GatewayUnreachable, also where a node does not that may have some."""
        request = pb.SessionsOfRequest(openid=openid)
        answers = await of_all(await self._way(), lambda link: link.sessions_of(request, self._timeout))
        silent = [node for answer in answers for node in answer.unreached_nodes]
        if silent:
            raise GatewayUnreachable(f"where {openid!r} may have sessions there is no answer: {', '.join(silent)}")
        return [_present(session) for answer in answers for session in answer.sessions]

    async def _change(
        self, kind: str, called_by: str, ask: Callable[[GatewayLink], Awaitable[pb.GroupResponse]]
    ) -> int:
        """Ask one gateway after the other, as a session is at one of them; how many sessions all of them told of."""
        answers: list[pb.GroupResponse] = []
        for link in await self._way(called_by):
            answers.append(await ask(link))
            if answers[-1].everywhere or (kind == "session" and answers[-1].success):
                break
        return _sessions(answers)

    async def _way(self, called_by: str = "") -> Sequence[GatewayLink]:
        links = await self._gateways.way(called_by)
        if not links:
            raise ServiceMistake('the service has no gateway: Service(gateway="127.0.0.1:8092")')
        return links


def _milliseconds(ttl: float) -> int:
    """The time of a membership as it is sent; ServiceMistake for what is none."""
    if not 0 <= ttl < 2**32 / 1000:
        raise ServiceMistake(f"ttl is {ttl!r}; write seconds, 0 for as long as the session lives")
    return max(1, round(ttl * 1000)) if ttl else 0


def _sessions(answers: list[pb.GroupResponse]) -> int:
    """How many sessions all gateways together told of; the others of them do not know the target."""
    refused = [answer for answer in answers if not answer.success]
    telling = [answer for answer in refused if answer.error_code != PushCode.TARGET_NOT_FOUND]
    if telling or len(refused) == len(answers):
        told = (telling or refused)[0]
        raise GroupRefused(told.error_code, told.message)
    return sum(answer.sessions for answer in answers)


def _present(session: pb.SessionPresence) -> PresentSession:
    return PresentSession(
        session_id=session.session_id,
        attached=session.attached,
        logged_in=session.logged_in,
        since=session.since,
        detached_since=session.detached_since or None,
        address=session.address,
        zone=session.zone,
        gid=session.gid,
        groups=tuple(session.groups),
    )
