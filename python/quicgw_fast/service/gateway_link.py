"""The calls to one gateway, and why they fail in words that say what to look at."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from quicgw_fast.service.errors import GatewayUnreachable, registration_refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from quicgw_fast.proto import service_pb2 as pb
    from quicgw_fast.service.access import GatewayDoor

    Result = TypeVar("Result")

# Parts of gRPC's own words, the more telling ones first.
_SIGNS = (
    ("Connection refused", "nothing listens there"),
    ("errors resolving", "the host is unknown"),
    ("lookup failed", "the host is unknown"),
    ("Failed parsing HTTP/2", "no gRPC is spoken there; the address is server.grpc of the gateway, not server.admin"),
    ("SETTINGS", "no gRPC is spoken there; the address is server.grpc of the gateway, and ca=… where it has TLS"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not of ca, or for another name"),
    ("andshake", "the TLS handshake failed: is the gateway's control.cert set, and does it want a certificate?"),
    ("ocket closed", "it hung up; where the gateway has TLS (control.cert), give ca=…"),
    ("reset by peer", "it hung up; where the gateway has TLS (control.cert), give ca=…"),
)


_LOST = 0.1
"""Seconds until the next attempt when the connection is gone already."""


_GRACE = 1.0
"""Seconds for the calls of a connection that is replaced."""


class TokenNotTaken(GatewayUnreachable):
    """The gateway refuses the token, or wants one."""


class GatewayLink:
    """A channel to the gateway at ``address``, which asks for ``door``. Make it inside the running loop."""

    def __init__(self, address: str, door: GatewayDoor) -> None:
        self.address = address
        self._door = door
        self._open()

    async def push(self, request: pb.UnicastPushRequest, timeout: float) -> pb.UnicastPushResponse:
        """PushToClient; a refusal is an answer. Raises GatewayUnreachable."""
        return await self._call(self._stub.PushToClient, request, timeout)

    async def broadcast(self, request: pb.BroadcastRequest, timeout: float) -> pb.BroadcastResponse:
        """BroadcastToClients; raises GatewayUnreachable."""
        return await self._call(self._stub.BroadcastToClients, request, timeout)

    async def join_group(self, request: pb.JoinGroupRequest, timeout: float) -> pb.GroupResponse:
        """JoinGroup; a refusal is an answer. Raises GatewayUnreachable, as the next four do."""
        return await self._call(self._stub.JoinGroup, request, timeout)

    async def leave_group(self, request: pb.LeaveGroupRequest, timeout: float) -> pb.GroupResponse:
        """LeaveGroup."""
        return await self._call(self._stub.LeaveGroup, request, timeout)

    async def push_to_group(self, request: pb.GroupPushRequest, timeout: float) -> pb.GroupPushResponse:
        """PushToGroup."""
        return await self._call(self._stub.PushToGroup, request, timeout)

    async def group_members(self, request: pb.GroupMembersRequest, timeout: float) -> pb.GroupMembersResponse:
        """GroupMembers."""
        return await self._call(self._stub.GroupMembers, request, timeout)

    async def sessions_of(self, request: pb.SessionsOfRequest, timeout: float) -> pb.SessionsOfResponse:
        """SessionsOf."""
        return await self._call(self._stub.SessionsOf, request, timeout)

    async def register(self, request: pb.UpstreamRegisterRequest, timeout: float) -> str:
        """RegisterUpstream, and what the gateway says to it; raises RegistrationRefused and GatewayUnreachable."""
        answer = await self._call(self._stub.RegisterUpstream, request, timeout)
        if not answer.success:
            raise registration_refused(answer.error_code, answer.message)
        return answer.message

    def is_connected(self) -> bool:
        """Whether there is a connection; if there is none, one is attempted."""
        return self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def connected(self, seconds: float) -> None:
        """Wait for a connection, but not for longer."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._channel.channel_ready(), seconds)

    async def gone(self, seconds: float) -> None:
        """Wait until the connection is lost, but not for longer."""
        state = self._channel.get_state()
        if state is grpc.ChannelConnectivity.READY:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._channel.wait_for_state_change(state), seconds)
        else:
            await asyncio.sleep(min(seconds, _LOST))

    async def reopen(self) -> None:
        """Begin anew, with the files as they are now; raises ServiceNotStarted, and then nothing changed."""
        before = self._channel
        self._open()
        await before.close(_GRACE)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    def _open(self) -> None:
        self._channel = self._door.channel(self.address)
        self._stub = GatewayServiceStub(self._channel)

    async def _call(self, method: Callable[..., Awaitable[Result]], request: object, seconds: float) -> Result:
        try:
            return await method(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            status, details = error.code(), error.details() or ""
        except grpc.aio.UsageError:
            status, details = grpc.StatusCode.CANCELLED, "the connection is closed, as the service has stopped"
        # Raised here, so that the gRPC error does not keep its call, and the channel, alive as a context.
        kind = TokenNotTaken if status is grpc.StatusCode.UNAUTHENTICATED else GatewayUnreachable
        raise kind(f"the gateway at {self.address}: {_why(status, details, seconds)}")


def _why(status: grpc.StatusCode, details: str, seconds: float) -> str:
    if status is grpc.StatusCode.UNAVAILABLE:
        found = next((why for sign, why in _SIGNS if sign in details), None)
        if found is not None:
            return found
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer within {seconds:g} s"
    if status is grpc.StatusCode.UNAUTHENTICATED:
        return f"it does not let the service in: {details}; token_file=… has to be one of its control.grpc_token_file"
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return "gRPC is spoken there, but it is no gateway"
    return f"{status.name}: {details}"
