"""The gateway's own gRPC port: GatewayService, health and reflection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from quicgw_fast.config import join_address
from quicgw_fast.control.answering import answered, metadata_of
from quicgw_fast.control.callers import HEALTH_CHECK, Callers
from quicgw_fast.control.event_stream import stream_events
from quicgw_fast.control.group_calls import GroupServicer
from quicgw_fast.control.intake import Intake, Later
from quicgw_fast.control.listen import free_address
from quicgw_fast.control.peers import caller_host
from quicgw_fast.errors import StartupError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import add_GatewayServiceServicer_to_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.control.access import ControlAccess
    from quicgw_fast.control.event_stream import EventSource
    from quicgw_fast.control.group_calls import GroupKeeper, PresenceTeller
    from quicgw_fast.control.refusals import Refusals
    from quicgw_fast.ports import TakenPush
    from quicgw_fast.trace_context import PushTracer

    Context = grpc.aio.ServicerContext[Any, Any]

GATEWAY_SERVICE = "gatesvr.proto.GatewayService"
_WHAT = "gRPC"
_ADVICE = "set server.grpc (--grpc)"
_EVERYWHERE = ("", "0.0.0.0", "[::]")

_LARGEST = (1 << 20) + (256 << 10)
"""Bytes of a message: what is a little over the frame limit of 1 MiB still comes in, and is refused with a reason."""
_WAITING = 4096
"""Calls at once, nearly all of them waiting for their turn."""
_PLACES = {
    f"/{GATEWAY_SERVICE}/PushToClient": 32,
    f"/{GATEWAY_SERVICE}/PushWithReceipts": 16,
    f"/{GATEWAY_SERVICE}/PushBatch": 4,
    f"/{GATEWAY_SERVICE}/BroadcastToClients": 8,
    f"/{GATEWAY_SERVICE}/RegisterUpstream": 16,
    f"/{GATEWAY_SERVICE}/PushToGroup": 8,
    **{f"/{GATEWAY_SERVICE}/{name}": 8 for name in ("JoinGroup", "LeaveGroup", "GroupMembers", "SessionsOf")},
    HEALTH_CHECK: 16,
}
"""Calls of a method whose message is in memory at once; those that wait for an acknowledgement have no place."""
LAST_ANSWERS = 0.5
"""Seconds in which those who wait for an acknowledgement can be sent what they were told when the gateway stopped."""
QUIET, LOOKS = 0.005, 40
"""Seconds without a call in which the port is closed to who is new, and how often they are looked for."""
_BATCH = 1024
"""Pushes of a batch; their bytes are bounded as those of any message."""
MOST_BUFFERED = sum(_PLACES.values()) * _LARGEST
"""Bytes of messages that are in memory at once, if every one is as large as it may be."""
_STREAMS = {
    f"/{GATEWAY_SERVICE}/WatchEvents": 64,
    f"/{health.SERVICE_NAME}/Watch": 64,
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": 16,
}
"""Calls that last as long as their callers like, and how many of a method there may be."""


@dataclass(frozen=True, slots=True)
class SilenceTimeouts:
    """After how many seconds a silent peer is closed."""

    handshake: float = 5.0
    """From the TCP connection to a complete HTTP/2 greeting."""
    idle: float = 300.0
    """Without a call; gRPC clients connect again by themselves with the next one."""
    ping_every: float = 30.0
    """A peer that does not answer a ping in ``ping_answer`` is gone: half-open connections end."""
    ping_answer: float = 10.0

    def options(self) -> list[tuple[str, int]]:
        """Return the settings of gRPC that mean this."""
        return [
            ("grpc.server_handshake_timeout_ms", _ms(self.handshake)),
            ("grpc.max_connection_idle_ms", _ms(self.idle)),
            ("grpc.keepalive_time_ms", _ms(self.ping_every)),
            ("grpc.keepalive_timeout_ms", _ms(self.ping_answer)),
            # It is this one that ends the connection; left alone it is a minute.
            ("grpc.http2.ping_timeout_ms", _ms(self.ping_answer)),
            # A connection without a call is pinged too.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]


_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST),
    # Of a call whose turn has not come only 64 KiB come in, whatever the line could carry.
    ("grpc.http2.bdp_probe", 0),
    # What one client has more than this under way waits on its own side.
    ("grpc.max_concurrent_streams", 256),
    # One read of a connection, and how many calls it may begin; left alone, a flood has 4 MiB of each connection in
    # memory at once, and the others wait for all of it.
    ("grpc.experimental.tcp_max_read_chunk_size", 32 << 10),
    ("grpc.http2.max_requests_per_read", 8),
    ("grpc.http2.max_ping_strikes", 1),
    # Metadata of a call, in bytes; and calls that began and nobody has looked at.
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.absolute_max_metadata_size", 16 << 10),
    ("grpc.server.max_pending_requests", 4096),
    ("grpc.server.max_pending_requests_hard_limit", 8192),
    ("grpc.max_allowed_incoming_connections", 1024),
    # Upstreams may ping an idle connection to see whether the gateway is alive.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class Pusher(Protocol):
    """What the gateway does with what a service pushes."""

    async def push(self, request: pb.UnicastPushRequest, *, follow: bool = False) -> TakenPush:
        """Deliver, keep or refuse a push to one client; with ``follow`` its sender wants to know what becomes of it."""

    async def batch(self, requests: Sequence[pb.UnicastPushRequest]) -> Sequence[TakenPush]:
        """Do so with many, in their order."""

    async def broadcast(self, request: pb.BroadcastRequest) -> pb.BroadcastResponse:
        """Push to every logged-in session."""


class Registrar(Protocol):
    """What becomes of an upstream service that offers itself."""

    async def register(self, request: pb.UpstreamRegisterRequest) -> pb.UpstreamRegisterResponse:
        """Take in an instance of a service or zone, or let it go."""


class ControlServer:
    """The running server; ``start`` makes it.

    ``address`` is (host, port) as bound: the host as given, the port as it is.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        health_service: health.aio.HealthServicer,
        address: tuple[str, int],
        intake: Intake,
    ) -> None:
        self._server = server
        self._health = health_service
        self._intake = intake
        self.address = address

    @staticmethod
    def require(host: str, port: int) -> None:
        """Look whether the address can be had; StartupError when not."""
        free_address(host, port, _WHAT, _ADVICE)

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        pusher: Pusher,
        groups: GroupKeeper,
        presence: PresenceTeller,
        registrar: Registrar,
        events: EventSource,
        access: ControlAccess,
        refusals: Refusals,
        *,
        tracer: PushTracer | None = None,
        shared: bool = False,
        max_concurrent_calls: int = _WAITING,
        timeouts: SilenceTimeouts | None = None,
    ) -> ControlServer:
        """Listen and serve whom ``access`` lets in; health is SERVING at once.

        Calls above ``max_concurrent_calls`` get RESOURCE_EXHAUSTED. ``shared``: the port was reserved for several
        gateways (``listen.reserved_port``), which take its connections as they come.
        Raises StartupError when the address cannot be had.
        """
        intake = Intake(_PLACES, _STREAMS, refusals)
        server = grpc.aio.server(
            # Two gateways on one port would share its connections by chance, unless they are meant to.
            options=[("grpc.so_reuseport", int(shared)), *_OPTIONS, *(timeouts or SilenceTimeouts()).options()],
            interceptors=[Callers(access.grpc, refusals), intake],
            maximum_concurrent_rpcs=max_concurrent_calls,
        )
        add_GatewayServiceServicer_to_server(_Servicer(pusher, groups, presence, registrar, events, tracer), server)
        health_service = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
        names = (GATEWAY_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, pool=_described())
        bound = add_port(server, host, port, _WHAT, _ADVICE, access.credentials(), shared=shared)
        control = cls(server, health_service, (host, bound), intake)
        await control.set_serving(True)
        await server.start()
        return control

    def buffered(self) -> int:
        """Bytes of the messages that are being answered; ``MOST_BUFFERED`` at most."""
        return self._intake.used

    async def set_serving(self, serving: bool) -> None:
        """Tell health checkers whether the gateway takes work: False while it drains."""
        statuses = health_pb2.HealthCheckResponse
        status = statuses.SERVING if serving else statuses.NOT_SERVING
        for service in (health.OVERALL_HEALTH, GATEWAY_SERVICE):
            await self._health.set(service, status)

    async def leave(self, grace: float) -> None:
        """Close the port to who is new, as ``stop`` does; health goes on as it is, for another gateway serves there.

        gRPC cuts off a call that has come and not begun, so a moment without any is waited for, if there is one.
        """
        for _ in range(LOOKS):
            begun = self._intake.begun
            await asyncio.sleep(QUIET)  # a moment without a call is what is looked for
            if self._intake.begun == begun:
                break
        await self._server.stop(grace)

    async def stop(self, grace: float = 0.0) -> None:
        """Close the port and give calls under way ``grace`` seconds; idempotent.

        Where pushes wait for their acknowledgement, it is ``LAST_ANSWERS`` at least.
        """
        await self.set_serving(False)
        await self._server.stop(max(grace, LAST_ANSWERS if self._intake.later else 0.0) or None)


def _described() -> DescriptorPool:
    """Return a pool with what reflection tells about: our messages are in a pool of their own, the others' are not."""
    pool = DescriptorPool()
    for file in (pb.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        pool.AddSerializedFile(file.serialized_pb)
    return pool


def add_port(
    server: grpc.aio.Server,
    host: str,
    port: int,
    what: str,
    advice: str,
    credentials: grpc.ServerCredentials | None = None,
    *,
    shared: bool = False,
) -> int:
    """Add the port to a gRPC server and return it as bound; StartupError as in ``listen.bind_tcp``.

    A ``shared`` one belongs to this gateway among others, so that it is not looked whether it is free.
    """
    address = join_address(host, port) if shared else free_address(host, port, what, advice)
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise StartupError(
            f"cannot listen on {address} for {what}: {error}; another program took it just now: start again or {advice}"
        ) from error


class _Servicer(GroupServicer):
    def __init__(
        self,
        pusher: Pusher,
        groups: GroupKeeper,
        presence: PresenceTeller,
        registrar: Registrar,
        events: EventSource,
        tracer: PushTracer | None,
    ) -> None:
        super().__init__(groups, presence, tracer)
        self._events = events
        self._pusher = pusher
        self._registrar = registrar

    async def PushToClient(self, request: pb.UnicastPushRequest, context: Context) -> Any:
        traced = None if self._tracer is None else self._tracer.push(request, metadata_of(context), "PushToClient")
        taken = await answered(self._pusher.push(request), "PushToClient", context)
        if traced is not None:
            traced(taken.answer)
        context.set_trailing_metadata((("pending-bytes", str(taken.answer.pending_bytes)),))
        return Later(taken.settled) if taken.waits else taken.answer

    async def PushBatch(self, request: pb.BatchPushRequest, context: Context) -> Any:
        if len(request.pushes) > _BATCH:
            told = f"a batch may have {_BATCH} pushes, this one has {len(request.pushes)}: send several"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, told)
        traced = None if self._tracer is None else self._tracer.batch(request.pushes, metadata_of(context))
        taken = await answered(self._pusher.batch(request.pushes), "PushBatch", context)
        if traced is not None:
            traced([each.answer for each in taken])

        async def settled() -> pb.BatchPushResponse:
            return pb.BatchPushResponse(responses=await asyncio.gather(*(each.settled() for each in taken)))

        return Later(settled)

    # Not a generator, as the stub has it: what is awaited here has a place, what comes behind the first receipt none.
    async def PushWithReceipts(self, request: pb.UnicastPushRequest, context: Context) -> Any:  # type: ignore[override]
        traced = None if self._tracer is None else self._tracer.push(request, metadata_of(context), "PushWithReceipts")
        taken = await answered(self._pusher.push(request, follow=True), "PushWithReceipts", context)
        if traced is not None:
            traced(taken.answer)
        accepted = taken.waits or taken.answer.success
        outcome = pb.PUSH_OUTCOME_ACCEPTED if accepted else pb.PUSH_OUTCOME_REFUSED
        try:
            await context.write(pb.PushReceipt(outcome=outcome, seq_id=taken.answer.seq_id, answer=taken.answer))
        except BaseException:
            taken.forgo()
            raise

        async def settled() -> None:
            told = await taken.settled()
            # Not asked for by the first push with this idempotency key: nobody knows.
            outcome = told.outcome or pb.PUSH_OUTCOME_PENDING
            await context.write(pb.PushReceipt(outcome=outcome, lost_reason=told.lost_reason, seq_id=told.seq_id))

        return Later(settled) if accepted else None

    async def BroadcastToClients(self, request: pb.BroadcastRequest, context: Context) -> pb.BroadcastResponse:
        traced = None if self._tracer is None else self._tracer.broadcast(request, metadata_of(context))
        answer = await answered(self._pusher.broadcast(request), "BroadcastToClients", context)
        if traced is not None:
            traced(answer)
        most = ("most-pending-bytes", str(answer.most_pending_bytes))
        context.set_trailing_metadata((("pending-bytes", str(answer.pending_bytes)), most))
        return answer

    # Not a generator either: so the intake has the stream written as that of a call with one message.
    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Context) -> None:  # type: ignore[override]
        await stream_events(self._events, request, context)

    async def RegisterUpstream(
        self, request: pb.UpstreamRegisterRequest, context: Context
    ) -> pb.UpstreamRegisterResponse:
        host, colon, port = request.address.rpartition(":")
        if colon and host in _EVERYWHERE:
            # Deployed services register the address they listen on, ":9001": the host is where they call from.
            request.address = caller_host(context.peer()) + colon + port
        return await answered(self._registrar.register(request), "RegisterUpstream", context)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
