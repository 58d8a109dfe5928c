"""Upstream services for tests: real gRPC servers whose answer to each action is a function of the test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto import service_pb2_grpc as rpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    Handler = Callable[[pb.UpstreamRequest], Awaitable[pb.UpstreamResponse]]

CHANNEL_OPTIONS = [("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20)]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived: what, how many seconds the caller gave it (None: no deadline), and from where."""

    request: pb.UpstreamRequest
    remaining: float | None
    metadata: dict[str, str]
    peer: str


def answer(
    request: pb.UpstreamRequest,
    code: int = 200,
    message: str = "ok",
    data: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> pb.UpstreamResponse:
    """Make a response to ``request``."""
    return pb.UpstreamResponse(
        code=code, message=message, data=data, headers=headers or {}, client_seq_id=request.client_seq_id
    )


async def echo(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
    """Answer 200 with the data and headers that came."""
    return answer(request, data=request.data, headers=request.headers)


class Rejected(Exception):
    """Raised by a handler to end the call with a gRPC status."""

    def __init__(self, status: grpc.StatusCode = grpc.StatusCode.INTERNAL, details: str = "as told") -> None:
        super().__init__(details)
        self.status = status


class RawUpstream(rpc.UpstreamServiceServicer):
    """One upstream service on a free port. Actions without their own handler go to ``default``.

    ``seen`` holds every request in order of arrival, ``cancelled`` counts calls that the gateway gave up.
    """

    def __init__(self, name: str = "upstream") -> None:
        self.name = name
        self.handlers: dict[str, Handler] = {}
        self.default: Handler = echo
        self.seen: list[Seen] = []
        self.cancelled = 0
        self.running = 0
        self.address = ""
        self._server: aio.Server | None = None
        self._changed = asyncio.Event()

    def on(self, action: str, handler: Handler) -> None:
        """Answer ``action``, in lower case, with ``await handler(request)``."""
        self.handlers[action] = handler

    def hold(self, action: str) -> Gate:
        """Make ``action`` wait until the returned gate is opened, then echo."""
        gate = Gate()
        self.on(action, gate.pass_through)
        return gate

    @property
    def requests(self) -> list[pb.UpstreamRequest]:
        """Every request that arrived."""
        return [seen.request for seen in self.seen]

    async def wait_requests(self, count: int, action: str | None = None, within: float = 20.0) -> list[Seen]:
        """Wait until ``count`` requests (of ``action``) have arrived; return them."""
        async with asyncio.timeout(within):
            while True:
                found = [seen for seen in self.seen if action in (None, seen.request.action)]
                if len(found) >= count:
                    return found
                await self._changed.wait()

    async def start(self, address: str = "127.0.0.1:0", tls: grpc.ServerCredentials | None = None) -> str:
        """Serve, over TLS if told how, and return the address."""
        self._server = aio.server(options=[("grpc.so_reuseport", 0), *CHANNEL_OPTIONS])
        rpc.add_UpstreamServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(address) if tls is None else self._server.add_secure_port(address, tls)
        await self._server.start()
        self.address = f"127.0.0.1:{port}"
        return self.address

    async def stop(self) -> None:
        """Stop at once; calls that run are cancelled, and its port refuses."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(None)

    async def __aenter__(self) -> RawUpstream:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def ProcessRequest(
        self, request: pb.UpstreamRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.UpstreamResponse:
        metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
        self.seen.append(Seen(request, context.time_remaining(), metadata, context.peer()))
        self._changed.set()
        self._changed = asyncio.Event()
        self.running += 1
        try:
            return await self.handlers.get(request.action.lower(), self.default)(request)
        except Rejected as outcome:
            await context.abort(outcome.status, str(outcome))
            raise
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def GetStatus(self, request: pb.StatusRequest, context: aio.ServicerContext[Any, Any]) -> pb.StatusResponse:
        return pb.StatusResponse(status="healthy", uptime=1, active_connections=self.running)


class Gate:
    """Holds requests back until it is opened."""

    def __init__(self) -> None:
        self._open = asyncio.Event()

    def open(self) -> None:
        """Let everything through that waits and that comes."""
        self._open.set()

    async def pass_through(self, request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        """Wait for the gate, then echo."""
        await self._open.wait()
        return await echo(request)


class RawPusher:
    """The gateway's push service as an upstream calls it."""

    def __init__(self, address: str) -> None:
        # A connection of its own: channels to one address share theirs otherwise, as long as gRPC remembers it.
        own = ("grpc.use_local_subchannel_pool", 1)
        self._channel = aio.insecure_channel(address, options=[*CHANNEL_OPTIONS, own])
        self.stub = rpc.GatewayServiceStub(self._channel)

    async def push(
        self,
        target: str,
        *,
        by: str = "openid",
        data: bytes = b"",
        content: str = "",
        msg_type: str = "news",
        title: str = "title",
        metadata: Mapping[str, str] | None = None,
        hint: int = 0,
        bind: int = 0,
        within: float = 20.0,
        **wishes: Any,
    ) -> pb.UnicastPushResponse:
        """Push to one target; ``hint`` 1 is before and 2 after the response to request ``bind``."""
        request = pb.UnicastPushRequest(
            target_type=by,
            target_id=target,
            msg_type=msg_type,
            title=title,
            content=content,
            data=data,
            metadata=metadata or {},
            bind_client_seq_id=bind,
            **wishes,
        )
        request.sync_hint = hint  # type: ignore[assignment]  # also numbers that the enum does not know
        return await self.stub.PushToClient(request, timeout=within)

    async def broadcast(
        self,
        data: bytes = b"",
        *,
        content: str = "",
        msg_type: str = "news",
        title: str = "all",
        metadata: Mapping[str, str] | None = None,
        within: float = 20.0,
    ) -> pb.BroadcastResponse:
        """Push to every logged-in session."""
        request = pb.BroadcastRequest(
            msg_type=msg_type, title=title, content=content, data=data, metadata=metadata or {}
        )
        return await self.stub.BroadcastToClients(request, timeout=within)

    async def register(
        self,
        address: str,
        zone_id: str,
        service_name: str = "zone",
        *,
        deregister: bool = False,
        within: float = 20.0,
    ) -> pb.UpstreamRegisterResponse:
        """Offer an upstream's address for a zone, or take it back."""
        request = pb.UpstreamRegisterRequest(
            address=address, zone_id=zone_id, service_name=service_name, deregister=deregister
        )
        return await self.stub.RegisterUpstream(request, timeout=within)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def __aenter__(self) -> RawPusher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
