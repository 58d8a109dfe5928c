"""The gateway: the one place that sees every stage, and wires them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicgw_fast import backend
from quicgw_fast._proto.service_pb2 import UpstreamRegisterResponse
from quicgw_fast.auth import AuthSettings, make_authenticator
from quicgw_fast.config import join_address, split_address
from quicgw_fast.control import AdminServer, ControlServer
from quicgw_fast.delivery import OrderedSender
from quicgw_fast.errors import ConfigError, RequestError
from quicgw_fast.flow.conversation import MAX_BODY, Conversation
from quicgw_fast.flow.draining import hand_out
from quicgw_fast.flow.ending import overflowed
from quicgw_fast.flow.offline import Offline
from quicgw_fast.flow.parts import Parts
from quicgw_fast.flow.pushes import Pushes
from quicgw_fast.flow.requests import Requests
from quicgw_fast.flow.starting import Starting
from quicgw_fast.flow.upkeep import Upkeep
from quicgw_fast.observe import Counters
from quicgw_fast.overload import AttemptLimiter
from quicgw_fast.processor import AsyncRequestProcessor, Ports
from quicgw_fast.session import Registry, Session, State
from quicgw_fast.store import StoreSettings, make_store
from quicgw_fast.transport import Connection, Listener, TransportLimits
from quicgw_fast.types import CloseCode
from quicgw_fast.upstream import (
    SERVICES,
    Directory,
    GrpcCaller,
    NoInstance,
    RegisterRefused,
    RoutingTable,
    UpstreamBusy,
    UpstreamError,
)

if TYPE_CHECKING:
    from quicgw_fast._proto.service_pb2 import (
        BroadcastRequest,
        BroadcastResponse,
        UnicastPushRequest,
        UnicastPushResponse,
        UpstreamRegisterRequest,
        UpstreamRequest,
        UpstreamResponse,
    )
    from quicgw_fast.config import Config

RETRY_AFTER_MS = 1000
_CALL_FAILED = {500: "upstream failed", 503: "upstream not available", 504: "deadline passed"}

_log = logging.getLogger("quicgw.gateway")


@dataclass(slots=True, frozen=True)
class Addresses:
    """Where the gateway listens, as ``host:port``."""

    quic: str
    grpc: str
    admin: str

    def ready_line(self) -> str:
        """The line that the commands print once everything listens (contract §7)."""
        return f"ready quic={self.quic} grpc={self.grpc} admin={self.admin}"


class Gateway:
    """One gateway in the running event loop: ``start()``, then ``addresses``, at the end ``stop()``."""

    def __init__(self, config: Config, *, engine: Any = backend, dev: bool = False) -> None:
        """``engine`` is a maker of ``backend.load``; ``dev`` spares the warning of ``auth.mode = "none"``.

        Raises ConfigError for what cannot be used.
        """
        self._config = config
        self._table = _routing(config)
        self._directory = _directory(config, self._table)
        self._caller: GrpcCaller | None = None
        self._parts = parts = self._make_parts(engine, dev)
        parts.offline = Offline(parts)
        self._requests = Requests(parts)
        self._starting = Starting(parts)
        self._pushes = Pushes(parts)
        self._upkeep = Upkeep(parts, self._starting)
        ports = Ports(parts.call, self._requests.reply, self._requests.is_valid, parts.clock)
        queue = engine.TaskQueue(config.processor.max_queue_size)
        parts.processor = AsyncRequestProcessor(queue, ports, config.processor.workers)
        self._started_at = time.monotonic()
        self._stack = contextlib.AsyncExitStack()
        self._listener: Listener | None = None
        self._control: ControlServer | None = None
        self.addresses = Addresses("", "", "")

    # Life

    async def start(self) -> None:
        """Listen on all three addresses; StartupError says what could not be had, and then nothing is left open."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._parts.offline.stop)
            self._caller = GrpcCaller(self._directory, self._config.upstream.max_concurrency)
            stack.push_async_callback(self._caller.close)
            await self._listen(stack)
            self._parts.processor.start()
            upkeep = asyncio.create_task(self._upkeep.run(), name="upkeep")
            stack.push_async_callback(_cancel, upkeep)
            self._stack = stack.pop_all()
        _log.info("gateway started", extra={"engine": self._parts.engine.NAME, **_fields(self.addresses)})

    async def stop(self) -> None:
        """Answer what was accepted, tell the clients, close everything (contract §6, ``DRAINING``)."""
        if self._parts.draining:
            return
        self._parts.draining = True
        drain = self._config.processor.drain_timeout
        if self._listener is not None and self._control is not None:
            self._listener.stop_accepting()
            await self._control.set_serving(False)
            deadline = time.monotonic() + drain
            # Logins first: what waits behind them was accepted too and still has to go through the queue.
            await self._requests.stop(drain)
            await self._parts.processor.stop(deadline - time.monotonic())
            await hand_out(self._parts, deadline)
            await self._listener.close(CloseCode.DRAINING, CloseCode.DRAINING.phrase("the gateway stops"))
        for session in self._parts.registry:
            self._parts.offline.salvage(session)
        await self._stack.aclose()
        _log.info("gateway stopped", extra=self._parts.counters.snapshot())

    async def __aenter__(self) -> Gateway:
        """Start the gateway."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the gateway."""
        await self.stop()

    def stats(self) -> dict[str, object]:
        """Everything that /stats shows."""
        parts = self._parts
        return {
            "engine": parts.engine.NAME,
            "uptime": round(time.monotonic() - self._started_at, 1),
            "connections": self._listener.connections if self._listener else 0,
            "sessions": {
                "INITED": parts.registry.count(State.INITED),
                "NORMAL": parts.registry.count(State.NORMAL),
                "detached": sum(not session.attached for session in parts.registry),
                "remembered": parts.registry.remembered,
            },
            "retained_bytes": self._budget.used,
            "processor": parts.processor.stats(),
            "upstream": self._caller.stats() if self._caller else {},
            "counters": parts.counters.snapshot(),
            "closes": parts.journal.closes(),
        }

    # Wiring

    def _make_parts(self, engine: Any, dev: bool) -> Parts:
        config = self._config
        self._budget = engine.ByteBudget(config.session.memory)
        return Parts(
            config=config,
            engine=engine,
            clock=time.monotonic,
            wall=time.time,
            counters=Counters(),
            registry=Registry(self._make_outbox, remember=config.session.resume_window),
            sender=OrderedSender(self._overflowed),
            authenticator=make_authenticator(AuthSettings(**config.auth.model_dump(), dev=dev)),
            attempts=AttemptLimiter(config.limits.auth_failures_per_minute),
            route=self._table.service_for,
            call=self._call,
            store=make_store(_store_settings(config)),
        )

    def _overflowed(self, session: Session) -> None:
        overflowed(self._parts, session)

    def _make_outbox(self, after: int) -> Any:
        session = self._config.session
        return self._parts.engine.Outbox(
            after=after,
            window_messages=session.window_messages,
            window_bytes=session.window_bytes,
            max_body=MAX_BODY,
            budget=self._budget,
        )

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        server, tls = self._config.server, self._config.tls
        if tls.cert is None or tls.key is None:
            raise ConfigError("tls.cert and tls.key are not set; QUIC needs a certificate and its key, both PEM files")
        admin = await AdminServer.start(*split_address(server.admin), ready=self._ready, stats=self.stats)
        stack.push_async_callback(admin.stop)
        self._control = await ControlServer.start(*split_address(server.grpc), self)
        stack.push_async_callback(self._control.stop)
        self._listener = await Listener.start(
            *split_address(server.quic),
            certificate=tls.cert,
            private_key=tls.key,
            factory=self._converse,
            limits=_transport_limits(self._config),
        )
        stack.push_async_callback(
            self._listener.close, CloseCode.INTERNAL, CloseCode.INTERNAL.phrase("the gateway could not start")
        )
        self.addresses = Addresses(*(join_address(*part.address) for part in (self._listener, self._control, admin)))

    def _converse(self, connection: Connection) -> Conversation:
        return Conversation(connection, self._parts, self._starting, self._requests)

    async def _call(self, service: str, request: UpstreamRequest, timeout: float) -> UpstreamResponse:  # noqa: ASYNC109
        if self._caller is None:
            raise RuntimeError("the gateway is not started")
        try:
            return await self._caller.call(service, request, timeout)
        except UpstreamError as error:
            retry = RETRY_AFTER_MS if isinstance(error, (NoInstance, UpstreamBusy)) else None
            _log.debug("call failed", extra={"service": service, "detail": error.detail})
            raise RequestError(error.code, _CALL_FAILED[error.code], error.public, retry_after_ms=retry) from error

    def _ready(self) -> str | None:
        return "the gateway stops" if self._parts.draining else None

    # GatewayService (contract §4)

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse:
        """Answer PushToClient."""
        return await self._pushes.push(request)

    async def broadcast(self, request: BroadcastRequest) -> BroadcastResponse:
        """Answer BroadcastToClients."""
        return await self._pushes.broadcast(request)

    async def register(self, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        """Answer RegisterUpstream."""
        try:
            service = self._directory.register(request.address, request.zone_id, request.service_name)
        except RegisterRefused as refused:
            return UpstreamRegisterResponse(success=False, message=str(refused), error_code=refused.error_code)
        _log.info("upstream registered", extra={"address": request.address, "service": service})
        return UpstreamRegisterResponse(success=True, message=f"registered for {service}")


def _routing(config: Config) -> RoutingTable:
    routing = config.routing
    return RoutingTable(routing.mode, routing.exact, routing.containing, routing.default, routing.zone_ranges)


def _directory(config: Config, table: RoutingTable) -> Directory:
    directory = Directory(table.services, config.routing.mode)
    for service in SERVICES:
        addresses = getattr(config.upstream, service)
        if addresses and config.routing.mode == "zone":
            _log.warning("upstream.%s is not used: in zone mode instances register themselves", service)
            continue
        for address in addresses:
            directory.add(service, address)
    return directory


def _transport_limits(config: Config) -> TransportLimits:
    limits = config.limits
    return TransportLimits(
        max_connections=limits.max_connections,
        max_half_open=limits.max_half_open,
        retry_above=limits.retry_above,
        handshakes_per_address=(limits.handshakes_per_second, int(limits.handshakes_per_second * 10)),
        # A silent client is closed with IDLE by its session first; QUIC's own timeout comes behind it.
        idle_timeout=config.session.timeout + 5.0,
    )


def _store_settings(config: Config) -> StoreSettings:
    offline = config.offline
    return StoreSettings(
        offline.store,
        offline.path,
        offline.max_messages,
        offline.max_bytes,
        offline.max_total_bytes,
        offline.max_age,
    )


def _fields(addresses: Addresses) -> dict[str, str]:
    return {"quic": addresses.quic, "grpc": addresses.grpc, "admin": addresses.admin}


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
