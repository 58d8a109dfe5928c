"""What a process and its successor ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.joining.desk import LocalDesk
from quicgw_fast.proto import node_pb2 as pb

if TYPE_CHECKING:
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.joining.desk import Register
    from quicgw_fast.proto import service_pb2
    from quicgw_fast.upgrading.served import Served


class PredecessorDesk(LocalDesk):
    """Gives its successor what that asks for, and does what it is told for the sessions that are still here."""

    async def fetch(self, request: pb.FetchRequest) -> pb.FetchResponse:
        """Give up what is here of an openid."""
        left = self._path.moving.departures.depart(request.generation, openid=request.openid, held=request.held)
        return pb.FetchResponse(sessions=left)

    async def confirm(self, request: pb.ConfirmRequest) -> pb.ConfirmResponse:
        """Forget it."""
        self._path.moving.departures.confirm_claim(request.openid, request.held)
        return pb.ConfirmResponse()

    async def has(self, request: pb.HasRequest) -> pb.HasResponse:
        """Say whether a session is here."""
        registry, target = self._path.registry, request.target_id
        here = {
            "session": lambda: registry.by_id(target) is not None,
            "openid": lambda: bool(registry.devices.of(target)),
            "gid": lambda: registry.by_gid(target) is not None,
        }
        leaving = self._path.moving.departures.holds(request.target_type, target)
        return pb.HasResponse(here=here[request.target_type](), leaving=leaving)

    async def describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        """Say how much is left."""
        del request
        return pb.DescribeResponse(sessions=len(self._path.registry))


class SuccessorDesk(LocalDesk):
    """Does for both processes what comes to its predecessor: it knows of that one's sessions, and not the other way."""

    def __init__(self, path: Path, register: Register, served: Served) -> None:
        super().__init__(path, register, ask=True)
        self._served = served

    async def broadcast(self, request: service_pb2.BroadcastRequest) -> service_pb2.BroadcastResponse:
        """To the sessions of both."""
        return await self._served.broadcast(request)

    async def join(self, request: service_pb2.JoinGroupRequest) -> service_pb2.GroupResponse:
        """Have sessions be in a group, wherever they are; and so on."""
        return await self._served.groups.join(request)

    async def leave(self, request: service_pb2.LeaveGroupRequest) -> service_pb2.GroupResponse:
        """See ``join``."""
        return await self._served.groups.leave(request)

    async def spread(self, request: service_pb2.GroupPushRequest) -> service_pb2.GroupPushResponse:
        """See ``join``."""
        return await self._served.groups.push(request)

    async def members(self, request: service_pb2.GroupMembersRequest) -> service_pb2.GroupMembersResponse:
        """See ``join``."""
        return await self._served.groups.members(request)

    async def present(self, request: service_pb2.SessionsOfRequest) -> service_pb2.SessionsOfResponse:
        """See ``join``."""
        return await self._served.groups.sessions_of(request)

    async def describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        """Say that it lives."""
        del request
        return pb.DescribeResponse(sessions=len(self._path.registry))
