"""Groups and presence over all nodes: a membership is where its session is, so every node is asked for its own."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import TYPE_CHECKING, Final, TypeVar

from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.codes import PushCode
from quicgw_fast.flow.targets import away, not_found
from quicgw_fast.placement import Place
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.flow.from_services import FromServices
    from quicgw_fast.flow.targets import PushRefused
    from quicgw_fast.placement import Placement

    Asked = TypeVar("Asked", pb.JoinGroupRequest, pb.LeaveGroupRequest)

LENGTH: Final = 8
"""Bytes of the id of something that is for many."""
BETWEEN = "/"
"""In a cursor, between the name of a node and the cursor there; empty before it: this one."""


def new_spread_id(group: str = "", key: str = "") -> bytes:
    """By which all nodes know something that is for many; the same for the same key of a group."""
    if not key:
        return secrets.token_bytes(LENGTH)
    return hashlib.blake2b(f"{len(key)} {key} {group}".encode(), digest_size=LENGTH).digest()


class GroupsEverywhere:
    """Answers as ``flow.groups`` and ``flow.presence`` do, for all nodes."""

    def __init__(
        self,
        client: NodeClient,
        others: Callable[[], Collection[str]],
        placement: Placement,
        services: FromServices,
    ) -> None:
        """``others`` are the other nodes that are known; ``services`` answer for what is here."""
        self._client = client
        self._others = others
        self._placement = placement
        self._here = services

    async def join(self, request: pb.JoinGroupRequest) -> pb.GroupResponse:
        """Have sessions be in a group, at the node that has them."""
        answer = await self._here.groups.join(request)
        if answer.error_code == PushCode.MOVED:
            answer = await self._where(request, self._here.groups.join, self._client.join)
        answer.everywhere = True
        return answer

    async def leave(self, request: pb.LeaveGroupRequest) -> pb.GroupResponse:
        """Take sessions out of one, likewise."""
        answer = await self._here.groups.leave(request)
        if answer.error_code == PushCode.MOVED:
            answer = await self._where(request, self._here.groups.leave, self._client.leave)
        answer.everywhere = True
        return answer

    async def push(self, request: pb.GroupPushRequest) -> pb.GroupPushResponse:
        """To the members of every node; counts are sums, and nodes that did not answer are named."""
        request.spread_id = new_spread_id(request.group, request.idempotency_key)
        here = await self._here.groups.push(request)
        here.everywhere = True
        if not here.success:
            return here
        others = list(self._others())
        answers = await asyncio.gather(*(self._client.spread(node, request) for node in others), return_exceptions=True)
        for node, answer in zip(others, answers, strict=True):
            if isinstance(answer, PeerUnreachable):
                here.unreached_nodes.append(node)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                here.sent_count += answer.sent_count
                here.member_count += answer.member_count
                here.pending_bytes += answer.pending_bytes
                here.most_pending_bytes = max(here.most_pending_bytes, answer.most_pending_bytes)
        return here

    async def members(self, request: pb.GroupMembersRequest) -> pb.GroupMembersResponse:
        """Return a page of the members: of this node first, then of the others by their names."""
        node, between, cursor = request.cursor.partition(BETWEEN)
        if not between:
            node, cursor = "", request.cursor
        asked = pb.GroupMembersRequest(group=request.group, limit=request.limit, cursor=cursor)
        try:
            answer = await (self._client.members(node, asked) if node else self._here.groups.members(asked))
        except PeerUnreachable as error:
            return pb.GroupMembersResponse(
                success=False, message=str(error), error_code=PushCode.NODE_UNREACHABLE, next=self._behind(node)
            )
        answer.everywhere = True
        if answer.success:
            answer.next = f"{node}{BETWEEN}{answer.next}" if answer.next else self._behind(node)
        return answer

    async def sessions_of(self, request: pb.SessionsOfRequest) -> pb.SessionsOfResponse:
        """Tell of the sessions of an openid, wherever they are."""
        here = await self._here.presence.sessions_of(request)
        here.everywhere = True
        place = await self._found("openid", request.openid)
        for node in place.nodes:
            try:
                here.sessions.extend((await self._client.present(node, request)).sessions)
            except PeerUnreachable:
                here.unreached_nodes.append(node)
        return here

    def _behind(self, node: str) -> str:
        """The cursor of the node behind this one; empty behind the last."""
        following = sorted(other for other in self._others() if other > node)
        return f"{following[0]}{BETWEEN}" if following else ""

    async def _where(
        self,
        request: Asked,
        here: Callable[[Asked], Awaitable[pb.GroupResponse]],
        ask: Callable[[str, Asked], Awaitable[pb.GroupResponse]],
    ) -> pb.GroupResponse:
        place = await self._found(request.target_type, request.target_id)
        if place.here:  # by now, or it is nowhere
            answer = await here(request)
            if answer.error_code == PushCode.MOVED:
                answer = _refusal(not_found(request.target_type, request.target_id))
            return answer
        if not place.nodes:
            return _refusal(away(request.target_type, request.target_id, place))
        try:
            return await ask(place.nodes[0], request)
        except PeerUnreachable as error:
            return pb.GroupResponse(success=False, message=str(error), error_code=PushCode.NODE_UNREACHABLE)

    async def _found(self, target_type: str, target_id: str) -> Place:
        answer = self._placement.find(target_type, target_id)
        return answer if isinstance(answer, Place) else await answer


def _refusal(refused: PushRefused) -> pb.GroupResponse:
    return pb.GroupResponse(success=False, message=str(refused), error_code=refused.code)
