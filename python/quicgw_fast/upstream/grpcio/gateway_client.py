"""The other direction: how an upstream service calls the gateway (GatewayService of protocol §1)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from quicgw_fast.errors import ConfigError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from quicgw_fast.upstream.address import parse_address
from quicgw_fast.upstream.causes import NO_ANSWER
from quicgw_fast.upstream.errors import GatewayCallFailed, GatewayLetsNobodyIn
from quicgw_fast.upstream.grpcio.causes import cause_of
from quicgw_fast.upstream.grpcio.channel import DIALLING, target_of
from quicgw_fast.upstream.method import HEALTH_CHECK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeVar

    Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """What a gateway's gRPC port may ask for: its ``[control]`` table says what."""

    token: str | None = field(default=None, repr=False)
    ca: bytes | None = None
    """PEM of whoever signed its certificate; with it TLS is spoken."""
    cert: bytes | None = None
    """PEM of an own certificate."""
    key: bytes | None = field(default=None, repr=False)
    """PEM of its private key."""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call; those with one answer get it by ``channel`` itself."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    def channel(self, target: str) -> grpc.aio.Channel:
        """Open a channel that shows all of it. A token goes with every call, also over a connection without TLS."""
        interceptors = [_ShowToken(self.metadata())] if self.token is not None else []
        if self.ca is None:
            return grpc.aio.insecure_channel(target, DIALLING, interceptors=interceptors)
        credentials = grpc.ssl_channel_credentials(self.ca, self.key, self.cert)
        return grpc.aio.secure_channel(target, credentials, DIALLING, interceptors=interceptors)


class _ShowToken(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, shown: tuple[tuple[str, str], ...]) -> None:
        self._shown = shown

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        metadata = (*(client_call_details.metadata or ()), *self._shown)
        return await continuation(client_call_details._replace(metadata=grpc.aio.Metadata(*metadata)), request)


OPEN_TO_ALL = GatewayAccess()
CONNECT_TIMEOUT = 3.0
"""Seconds to wait for a connection, unless told otherwise."""
_PROBE_TIMEOUT = 0.5


class GatewayClient:
    """A reused channel to one gateway; ``address`` is host:port (else ConfigError).

    Make it inside the running loop. Every call takes its timeout in seconds. Within it, and for at most
    ``connect_timeout`` seconds, it waits for a gateway that is not up yet; without ``patient`` the first failed attempt
    to connect is the answer. What cannot be called raises GatewayCallFailed, which says why: nothing listens, no
    answer, no gRPC, unknown host, too slow.
    """

    def __init__(
        self,
        address: str,
        access: GatewayAccess = OPEN_TO_ALL,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        patient: bool = True,
    ) -> None:
        try:
            self.address = parse_address(address)
        except ValueError as error:
            raise ConfigError(f"the gateway's {error}") from error
        self._connect_timeout = connect_timeout
        self._patient = patient
        self._tls = access.ca is not None
        self._shown = access.metadata()
        self._shows_token = access.token is not None
        self._channel = access.channel(target_of(self.address))
        self._stub = GatewayServiceStub(self._channel)
        self._probe: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(HEALTH_CHECK)

    async def push(self, request: pb.UnicastPushRequest, timeout: float = 5.0) -> pb.UnicastPushResponse:
        """PushToClient. A refusal is an answer with ``success`` false; raises GatewayCallFailed."""
        return await self._call(self._stub.PushToClient, request, timeout)

    async def push_batch(self, request: pb.BatchPushRequest, timeout: float = 5.0) -> pb.BatchPushResponse:
        """PushBatch: an answer for each, as ``push`` gives it; raises GatewayCallFailed."""
        return await self._call(self._stub.PushBatch, request, timeout)

    async def broadcast(self, request: pb.BroadcastRequest, timeout: float = 5.0) -> pb.BroadcastResponse:
        """BroadcastToClients; raises GatewayCallFailed."""
        return await self._call(self._stub.BroadcastToClients, request, timeout)

    async def join_group(self, request: pb.JoinGroupRequest, timeout: float = 5.0) -> pb.GroupResponse:
        """JoinGroup, refused as a push is; raises GatewayCallFailed."""
        return await self._call(self._stub.JoinGroup, request, timeout)

    async def leave_group(self, request: pb.LeaveGroupRequest, timeout: float = 5.0) -> pb.GroupResponse:
        """LeaveGroup; raises GatewayCallFailed."""
        return await self._call(self._stub.LeaveGroup, request, timeout)

    async def push_to_group(self, request: pb.GroupPushRequest, timeout: float = 5.0) -> pb.GroupPushResponse:
        """PushToGroup; raises GatewayCallFailed."""
        return await self._call(self._stub.PushToGroup, request, timeout)

    async def group_members(self, request: pb.GroupMembersRequest, timeout: float = 5.0) -> pb.GroupMembersResponse:
        """GroupMembers: one page; raises GatewayCallFailed."""
        return await self._call(self._stub.GroupMembers, request, timeout)

    async def register(
        self,
        request: pb.UpstreamRegisterRequest,
        timeout: float = 5.0,
    ) -> pb.UpstreamRegisterResponse:
        """RegisterUpstream. A refusal is an answer with ``success`` false; raises GatewayCallFailed."""
        return await self._call(self._stub.RegisterUpstream, request, timeout)

    async def deregister(
        self,
        request: pb.UpstreamRegisterRequest,
        timeout: float = 5.0,
    ) -> pb.UpstreamRegisterResponse:
        """Take back what ``register`` did with the same request; raises GatewayCallFailed."""
        leaving = pb.UpstreamRegisterRequest()
        leaving.CopyFrom(request)
        leaving.deregister = True
        return await self.register(leaving, timeout)

    async def watch(self, request: pb.WatchEventsRequest) -> AsyncIterator[pb.LifecycleEvent]:
        """WatchEvents: yields what the gateway tells, until it ends that; raises GatewayCallFailed."""
        await self.connect()
        call = self._stub.WatchEvents(request, metadata=self._shown)
        try:
            async for event in call:
                yield event
            return
        except grpc.aio.AioRpcError as error:
            status, details = error.code(), error.details()
        finally:
            call.cancel()
        raise self._failure(status, self._cause(status, details))

    async def connect(self, timeout: float | None = None) -> None:
        """Wait until there is a connection, ``connect_timeout`` seconds without an own ``timeout``.

        Raises GatewayCallFailed with the reason.
        """
        limit = self._connect_timeout if timeout is None else timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                if await self._connected():
                    return
        raise GatewayCallFailed(f"no connection to the gateway at {self.address}: {await self._why()}")

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def _connected(self) -> bool:
        while (state := self._channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and not self._patient:
                return False
            await self._channel.wait_for_state_change(state)
        return True

    async def _why(self) -> str:
        """Return why there is no connection: gRPC only tells a call that fails for it."""
        if self._channel.get_state() is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            return NO_ANSWER
        try:
            await self._probe(b"", timeout=_PROBE_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return cause_of(error.code(), error.details(), tls=self._tls)
        return NO_ANSWER

    def _cause(self, status: grpc.StatusCode, details: str | None) -> str:
        return f"{cause_of(status, details, tls=self._tls)} ({status.name}: {details})"

    async def _call(self, method: Callable[..., Awaitable[Answer]], request: object, seconds: float) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        await self.connect(min(seconds, self._connect_timeout))
        try:
            return await method(request, timeout=max(deadline - loop.time(), 0.0))
        except grpc.aio.AioRpcError as error:
            status, details = error.code(), error.details()
        # Raised here, so that the gRPC error does not keep its call, and the channel, alive as a context.
        why = self._cause(status, details)
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            why = f"it is connected, but did not answer within {seconds:g} s (DEADLINE_EXCEEDED)"
        raise self._failure(status, why)

    def _failure(self, status: grpc.StatusCode, why: str) -> GatewayCallFailed:
        if status is grpc.StatusCode.UNAUTHENTICATED:
            shown = "another one was shown" if self._shows_token else "none was shown"
            return GatewayLetsNobodyIn(f"the gateway at {self.address} asks for a token, and {shown}")
        return GatewayCallFailed(f"the gateway at {self.address} failed: {why}")
