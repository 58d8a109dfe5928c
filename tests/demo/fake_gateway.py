"""A GatewayService that keeps what services push and register, and answers as told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import (
    GatewayServiceServicer,
    add_GatewayServiceServicer_to_server,
)

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class FakeGateway(GatewayServiceServicer):
    """Takes ``accept`` pushes and refuses the rest with BIND_LIMIT; registers nothing when ``closed_to_upstreams``."""

    def __init__(self) -> None:
        self.pushes: list[pb.UnicastPushRequest] = []
        self.broadcasts: list[pb.BroadcastRequest] = []
        self.registered: list[tuple[str, str, str]] = []
        self.left: list[tuple[str, str, str]] = []
        self.accept = 1000
        self.closed_to_upstreams = False
        self.unreached: list[str] = []
        """Nodes of a cluster that do not answer it."""
        self.address = ""
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> str:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_GatewayServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        await self._server.start()
        return self.address

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)

    async def PushToClient(self, request: pb.UnicastPushRequest, context: Context) -> pb.UnicastPushResponse:
        if len(self.pushes) == self.accept:
            return pb.UnicastPushResponse(success=False, message="too many", error_code="BIND_LIMIT")
        self.pushes.append(request)
        return pb.UnicastPushResponse(success=True)

    async def BroadcastToClients(self, request: pb.BroadcastRequest, context: Context) -> pb.BroadcastResponse:
        self.broadcasts.append(request)
        return pb.BroadcastResponse(sent_count=42, unreached_nodes=self.unreached)

    async def PushToGroup(self, request: pb.GroupPushRequest, context: Context) -> pb.GroupPushResponse:
        return pb.GroupPushResponse(success=True, sent_count=2, member_count=3, unreached_nodes=self.unreached)

    async def GroupMembers(self, request: pb.GroupMembersRequest, context: Context) -> pb.GroupMembersResponse:
        """The first page is of a node that does not answer, if there is one."""
        if self.unreached and not request.cursor:
            return pb.GroupMembersResponse(success=True, unreached_nodes=self.unreached, next="next")
        member = pb.GroupMember(session_id="s1", openid="alice", attached=True)
        return pb.GroupMembersResponse(success=True, members=[member])

    async def RegisterUpstream(
        self, request: pb.UpstreamRegisterRequest, context: Context
    ) -> pb.UpstreamRegisterResponse:
        if self.closed_to_upstreams:
            return pb.UpstreamRegisterResponse(success=False, message="no room", error_code="DIRECTORY_FULL")
        into = self.left if request.deregister else self.registered
        into.append((request.address, request.zone_id, request.service_name))
        return pb.UpstreamRegisterResponse(success=True)
