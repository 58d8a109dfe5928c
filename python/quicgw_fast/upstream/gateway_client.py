"""The other direction: how an upstream service calls the gateway (GatewayService of contract §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from quicgw_fast._proto.service_pb2_grpc import GatewayServiceStub
from quicgw_fast.errors import ConfigError
from quicgw_fast.upstream.caller import target_of
from quicgw_fast.upstream.directory import parse_address
from quicgw_fast.upstream.errors import GatewayCallFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import TypeVar

    from quicgw_fast._proto import service_pb2 as pb

    Answer = TypeVar("Answer")

_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A push that was sent twice would be shown twice.
    ("grpc.enable_retries", 0),
)


class GatewayClient:
    """A reused channel to one gateway; ``address`` is host:port (else ConfigError).

    Make it inside the running loop.
    Every call takes its timeout in seconds and waits within it for a gateway that is not up yet.
    """

    def __init__(self, address: str) -> None:
        try:
            self.address = parse_address(address)
        except ValueError as error:
            raise ConfigError(f"the gateway's {error}") from error
        self._channel = grpc.aio.insecure_channel(target_of(self.address), _OPTIONS)
        self._stub = GatewayServiceStub(self._channel)

    async def push(self, request: pb.UnicastPushRequest, timeout: float = 5.0) -> pb.UnicastPushResponse:  # noqa: ASYNC109
        """PushToClient. A refusal is an answer with ``success`` false; raises GatewayCallFailed."""
        return await self._checked(self._stub.PushToClient(request, timeout=timeout, wait_for_ready=True))

    async def broadcast(self, request: pb.BroadcastRequest, timeout: float = 5.0) -> pb.BroadcastResponse:  # noqa: ASYNC109
        """BroadcastToClients; raises GatewayCallFailed."""
        return await self._checked(self._stub.BroadcastToClients(request, timeout=timeout, wait_for_ready=True))

    async def register(
        self,
        request: pb.UpstreamRegisterRequest,
        timeout: float = 5.0,  # noqa: ASYNC109
    ) -> pb.UpstreamRegisterResponse:
        """RegisterUpstream. A refusal is an answer with ``success`` false; raises GatewayCallFailed."""
        return await self._checked(self._stub.RegisterUpstream(request, timeout=timeout, wait_for_ready=True))

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def _checked(self, call: Awaitable[Answer]) -> Answer:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            reason = f"{error.code().name}: {error.details()}"
        # Raised here, so that the gRPC error does not keep its call, and the channel, alive as a context.
        raise GatewayCallFailed(f"the gateway at {self.address} failed: {reason}")
