"""The calls of GatewayService about groups and presence (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from quicgw_fast.control.answering import answered, metadata_of
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceServicer

if TYPE_CHECKING:
    import grpc

    from quicgw_fast.proto import service_pb2 as pb
    from quicgw_fast.trace_context import PushTracer

    Context = grpc.aio.ServicerContext[Any, Any]


class GroupKeeper(Protocol):
    """What the gateway does about groups."""

    async def join(self, request: pb.JoinGroupRequest) -> pb.GroupResponse:
        """Have sessions be in a group."""

    async def leave(self, request: pb.LeaveGroupRequest) -> pb.GroupResponse:
        """Take sessions out of one."""

    async def push(self, request: pb.GroupPushRequest) -> pb.GroupPushResponse:
        """Push to all who are in one."""

    async def members(self, request: pb.GroupMembersRequest) -> pb.GroupMembersResponse:
        """Return a page of those."""


class PresenceTeller(Protocol):
    """Who knows which clients are there."""

    async def sessions_of(self, request: pb.SessionsOfRequest) -> pb.SessionsOfResponse:
        """Tell of the sessions of an openid."""


class GroupServicer(GatewayServiceServicer):
    """Answers them; the others are a subclass's."""

    def __init__(self, groups: GroupKeeper, presence: PresenceTeller, tracer: PushTracer | None) -> None:
        self._tracer = tracer
        self._groups = groups
        self._presence = presence

    async def JoinGroup(self, request: pb.JoinGroupRequest, context: Context) -> pb.GroupResponse:
        """See ``GroupKeeper``."""
        return await answered(self._groups.join(request), "JoinGroup", context)

    async def LeaveGroup(self, request: pb.LeaveGroupRequest, context: Context) -> pb.GroupResponse:
        """See ``GroupKeeper``."""
        return await answered(self._groups.leave(request), "LeaveGroup", context)

    async def PushToGroup(self, request: pb.GroupPushRequest, context: Context) -> pb.GroupPushResponse:
        """See ``GroupKeeper``."""
        traced = None if self._tracer is None else self._tracer.push_to_group(request, metadata_of(context))
        answer = await answered(self._groups.push(request), "PushToGroup", context)
        if traced is not None:
            traced(answer)
        most = ("most-pending-bytes", str(answer.most_pending_bytes))
        context.set_trailing_metadata((("pending-bytes", str(answer.pending_bytes)), most))
        return answer

    async def GroupMembers(self, request: pb.GroupMembersRequest, context: Context) -> pb.GroupMembersResponse:
        """See ``GroupKeeper``."""
        return await answered(self._groups.members(request), "GroupMembers", context)

    async def SessionsOf(self, request: pb.SessionsOfRequest, context: Context) -> pb.SessionsOfResponse:
        """See ``PresenceTeller``."""
        return await answered(self._presence.sessions_of(request), "SessionsOf", context)
