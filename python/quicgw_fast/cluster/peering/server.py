"""The server of a node, at which the other nodes call; on a port of its own, where no client and no service comes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc

from quicgw_fast.cluster.peering.lines import LARGEST, MEANT, NO_MORE
from quicgw_fast.cluster.peering.methods import METHODS, NAME
from quicgw_fast.config import join_address
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from google.protobuf.message import Message

    from quicgw_fast.cluster.peering.access import NodeAccess
    from quicgw_fast.proto import node_pb2 as pb
    from quicgw_fast.proto import service_pb2

    Context = grpc.aio.ServicerContext[Any, Any]

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.max_send_message_length", LARGEST),
    # Their pings find out soon that this node is gone.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # Without calls, too: else their pings are too many for it after a quiet while, and it closes the line.
    ("grpc.keepalive_permit_without_calls", 1),
)

_log = logging.getLogger("quicgw.cluster")


class GatewayDesk(Protocol):
    """What other gateways may ask of this one, about sessions that are here."""

    async def carry(self, request: pb.CarryRequest) -> pb.CarryResponse:
        """Take pushes and replies."""

    async def push(self, request: service_pb2.UnicastPushRequest) -> service_pb2.UnicastPushResponse:
        """Take a push, and answer when its sender has waited as long as it wanted to."""

    async def broadcast(self, request: service_pb2.BroadcastRequest) -> service_pb2.BroadcastResponse:
        """Push to all sessions that are here."""

    async def join(self, request: service_pb2.JoinGroupRequest) -> service_pb2.GroupResponse:
        """Have sessions that are here be in a group."""

    async def leave(self, request: service_pb2.LeaveGroupRequest) -> service_pb2.GroupResponse:
        """Take sessions that are here out of one."""

    async def spread(self, request: service_pb2.GroupPushRequest) -> service_pb2.GroupPushResponse:
        """Push to all who are here and in a group."""

    async def members(self, request: service_pb2.GroupMembersRequest) -> service_pb2.GroupMembersResponse:
        """Return a page of those."""

    async def present(self, request: service_pb2.SessionsOfRequest) -> service_pb2.SessionsOfResponse:
        """Tell of the sessions of an openid that are here."""

    async def kick(self, request: pb.KickRequest) -> pb.KickResponse:
        """End sessions that are here."""

    async def stored(self, request: pb.StoredRequest) -> pb.StoredResponse:
        """Look into the offline store again for openids that are here."""

    async def register(self, request: service_pb2.UpstreamRegisterRequest) -> service_pb2.UpstreamRegisterResponse:
        """Take a service in, or let it go."""

    async def describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        """Tell how this node is."""


class NodeDesk(GatewayDesk, Protocol):
    """The same of a node of a cluster."""

    async def fetch(self, request: pb.FetchRequest) -> pb.FetchResponse:
        """Give up what is here of an openid, to a claim that is newer."""

    async def confirm(self, request: pb.ConfirmRequest) -> pb.ConfirmResponse:
        """Forget what was given."""

    async def vouch(self, request: pb.VouchRequest) -> pb.VouchResponse:
        """Count a node as alive for a while."""

    async def drain(self, request: pb.DrainRequest) -> pb.DrainResponse:
        """Begin to stop."""

    async def look(self, request: pb.LookRequest) -> pb.LookResponse:
        """Tell operators of what is here."""


class NodeServer:
    """The running server; ``start`` makes it. ``address`` is where it listens, as ``host:port``."""

    def __init__(self, server: grpc.aio.Server, address: str) -> None:
        self._server = server
        self.address = address

    @classmethod
    async def start(cls, name: str, host: str, port: int, desk: NodeDesk, access: NodeAccess) -> NodeServer:
        """Listen and serve as the node ``name``; StartupError when the address cannot be had."""
        address = join_address(host, port)
        told = "stop what uses that address or set cluster.listen (port 0 takes any free one)"
        server, bound = _listening(name, address, desk, access, told)
        await server.start()
        return cls(server, join_address(host, bound))

    @classmethod
    async def start_on(cls, path: Path, desk: GatewayDesk, access: NodeAccess) -> NodeServer:
        """Listen on a Unix socket that is named as the node; StartupError when it cannot be made."""
        told = f"set TMPDIR to a folder with a shorter name ({len(str(path))} characters)"
        server, _ = _listening(path.name, f"unix:{path}", desk, access, told)
        await server.start()
        return cls(server, f"unix:{path}")

    async def stop(self, grace: float = 0.0) -> None:
        """Close the port; calls under way have so many seconds. Idempotent."""
        await self._server.stop(grace or None)


def _listening(
    name: str, address: str, desk: GatewayDesk, access: NodeAccess, advice: str
) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=_OPTIONS, interceptors=access.interceptors())
    server.add_generic_rpc_handlers((_handlers(desk, name),))
    credentials = access.server_credentials()
    try:
        if credentials is None:
            return server, server.add_insecure_port(address)
        return server, server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise StartupError(f"cannot listen on {address} for other nodes: {error}; {advice}") from error


def _handlers(desk: GatewayDesk, name: str) -> grpc.GenericRpcHandler:
    """Answer what the desk answers: not every method is for every kind of it."""
    made = {
        method.name: grpc.unary_unary_rpc_method_handler(
            _answering(getattr(desk, method.name.lower()), method.name, name),
            request_deserializer=method.request.FromString,
            response_serializer=method.answer.SerializeToString,
        )
        for method in METHODS.values()
        if hasattr(desk, method.name.lower())
    }
    return grpc.method_handlers_generic_handler(NAME, made)


def _answering(
    work: Callable[[Any], Awaitable[Message]], method: str, name: str
) -> Callable[[Any, Context], Awaitable[Message]]:
    async def answer(request: Any, context: Context) -> Message:
        meant = dict(context.invocation_metadata() or ()).get(MEANT, name)
        if meant != name:  # one that listened here before, and is no more: what was asked of it this one cannot know
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{NO_MORE}{name} listens there")
        try:
            return await work(request)
        except Exception:  # a bug: what gRPC logs by itself has neither name nor form
            _log.exception("node call failed", extra={"method": method, "peer": context.peer()})
            await context.abort(grpc.StatusCode.INTERNAL, "internal error; the log of that node has it")
            raise

    return answer
