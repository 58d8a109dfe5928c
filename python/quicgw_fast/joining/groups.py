"""Groups and presence over all nodes: a membership is where its session is, so every node is asked for its own."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, TypeVar

from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.codes import PushCode
from quicgw_fast.flow.targets import away, not_found
from quicgw_fast.placement import Place
from quicgw_fast.proto import service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.flow.from_services import FromServices
    from quicgw_fast.flow.targets import PushRefused
    from quicgw_fast.joining.others import Others
    from quicgw_fast.placement import Placement

    Asked = TypeVar("Asked", pb.JoinGroupRequest, pb.LeaveGroupRequest)

LENGTH: Final = 8
"""Bytes of the id of something that is for many."""
BETWEEN = "/"
"""In a cursor, between the name of a node and the cursor there."""


def new_spread_id(group: str = "", key: str = "") -> bytes:
    """By which all nodes know something that is for many; the same for the same key of a group."""
    if not key:
        return secrets.token_bytes(LENGTH)
    return hashlib.blake2b(f"{len(key)} {key} {group}".encode(), digest_size=LENGTH).digest()


class GroupsEverywhere:
    """Answers as ``flow.groups`` and ``flow.presence`` do, for all nodes."""

    def __init__(
        self, name: str, client: NodeClient, others: Others, placement: Placement, services: FromServices
    ) -> None:
        """``name`` is this node's; ``services`` answer for what is here."""
        self._name = name
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
        there = await self._others.all(lambda node: self._client.spread(node, request))
        here.unreached_nodes.extend(there.unreached)
        for answer in there.answers.values():
            here.sent_count += answer.sent_count
            here.member_count += answer.member_count
            here.pending_bytes += answer.pending_bytes
            here.most_pending_bytes = max(here.most_pending_bytes, answer.most_pending_bytes)
        return here

    async def members(self, request: pb.GroupMembersRequest) -> pb.GroupMembersResponse:
        """Return a page of the members: of one node after the other, by their names, of which the cursor has one.

        So it means the same at each of them. A node that does not answer is named, and the next page is another's.
        """
        node, between, cursor = request.cursor.partition(BETWEEN)
        if request.cursor and not between:
            told = "cursor must be what next of the page before says"
            return pb.GroupMembersResponse(success=False, message=told, error_code=PushCode.BAD_OPTIONS)
        node = node or self._behind("")
        asked = pb.GroupMembersRequest(group=request.group, limit=request.limit, cursor=cursor)
        if node == self._name:
            answer = await self._here.groups.members(asked)
        else:
            there = await self._others.ask(node, self._client.members(node, asked))
            silent = pb.GroupMembersResponse(success=True, message="members", unreached_nodes=[node])
            answer = silent if there is None else there
        answer.everywhere = True
        if answer.success:
            following = self._behind(node)
            answer.next = f"{node}{BETWEEN}{answer.next}" if answer.next else following and f"{following}{BETWEEN}"
        return answer

    async def sessions_of(self, request: pb.SessionsOfRequest) -> pb.SessionsOfResponse:
        """Tell of the sessions of an openid, wherever they are."""
        here = await self._here.presence.sessions_of(request)
        here.everywhere = True
        place = await self._found("openid", request.openid)
        for node in place.nodes:
            there = await self._others.ask(node, self._client.present(node, request))
            if there is None:
                here.unreached_nodes.append(node)
            else:
                here.sessions.extend(there.sessions)
        return here

    def _behind(self, node: str) -> str:
        """The node that comes behind this one; empty behind the last."""
        return min((name for name in (self._name, *self._others.names()) if name > node), default="")

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
