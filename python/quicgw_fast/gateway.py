"""The gateway: the one place that sees every stage, and wires them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quicgw_fast import backend
from quicgw_fast.auth import AuthSettings, make_authenticator
from quicgw_fast.codes import CloseCode
from quicgw_fast.config import join_address, split_address
from quicgw_fast.control import AdminServer, ControlServer
from quicgw_fast.delivery import OrderedSender
from quicgw_fast.errors import BusyError, ConfigError, RequestError
from quicgw_fast.flow.closing import end_all, overflowed
from quicgw_fast.flow.conversation import MAX_BODY, Conversation
from quicgw_fast.flow.draining import hand_out
from quicgw_fast.flow.housekeeping import Housekeeping
from quicgw_fast.flow.offline import Offline
from quicgw_fast.flow.parts import Parts
from quicgw_fast.flow.pushes import Pushes
from quicgw_fast.flow.requests import Requests
from quicgw_fast.flow.start import StartHandler
from quicgw_fast.observe import Counters, Door, lines_dropped
from quicgw_fast.overload import AttemptLimiter
from quicgw_fast.session import Registry, Session, State
from quicgw_fast.store import StoreSettings, make_store
from quicgw_fast.transport import Connection, Listener, TransportLimits, listen, reset_key_for
from quicgw_fast.upstream import (
    SERVICES,
    Directory,
    GrpcCaller,
    OwnAddresses,
    Registration,
    RoutingTable,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.config import Config, TlsConfig
    from quicgw_fast.proto.service_pb2 import (
        BroadcastRequest,
        BroadcastResponse,
        UnicastPushRequest,
        UnicastPushResponse,
        UpstreamRegisterRequest,
        UpstreamRegisterResponse,
        UpstreamRequest,
        UpstreamResponse,
    )

LEAST_BACKLOG = 16 << 20
"""Bytes that clients together may leave unacknowledged by QUIC, however small ``session.memory`` is."""
LEAST_STORE_TIME = 1.0
"""Seconds for what ended sessions hand over to the offline store, also when draining took all of its time."""

_log = logging.getLogger("quicgw.gateway")


@dataclass(slots=True, frozen=True)
class Addresses:
    """Where the gateway listens, as ``host:port``."""

    quic: str
    grpc: str
    admin: str

    def ready_line(self) -> str:
        """The line that the commands print once everything listens (protocol §7)."""
        return f"ready quic={self.quic} grpc={self.grpc} admin={self.admin}"


class Gateway:
    """One gateway in the running event loop: ``start()``, then ``addresses``, at the end ``stop()``."""

    def __init__(
        self, config: Config, *, engine: Any = backend, dev: bool = False, tls_key: bytes | None = None
    ) -> None:
        """``engine`` is a maker of ``backend.load``; ``dev`` spares the warning of ``auth.mode = "none"``.

        ``tls_key`` is the private key of ``tls.cert`` as PEM, for one that is in no file.

        Raises ConfigError for what cannot be used.
        """
        self._config = config
        self._dev = dev
        self._tls_key = tls_key
        self._table = _routing(config)
        self._directory = _directory(config, self._table)
        self._caller: GrpcCaller | None = None
        self._registration: Registration | None = None
        self._own = OwnAddresses()
        self._parts = parts = self._make_parts(engine, dev)
        parts.offline = Offline(parts)
        self._requests = parts.requests = Requests(parts)
        self._starting = StartHandler(parts)
        self._pushes = Pushes(parts)
        self._door = Door(parts.counters, parts.clock)
        self._housekeeping = Housekeeping(parts, self._starting, also=[self._door.flush])
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
            upstream = self._config.upstream
            self._caller = GrpcCaller(self._directory, upstream.max_concurrency, forget_after=upstream.forget_after)
            stack.push_async_callback(self._caller.close)
            self._registration = Registration(self._directory, self._caller, self._own)
            await self._listen(stack)
            self._requests.start()
            housekeeping = asyncio.create_task(self._housekeeping.run(), name="housekeeping")
            stack.push_async_callback(_cancel, housekeeping)
            self._stack = stack.pop_all()
        _log.info("gateway started", extra={"engine": self._parts.engine.NAME, **_fields(self.addresses)})

    async def stop(self) -> None:
        """Answer what was accepted, tell the clients, close everything (protocol §6, ``DRAINING``)."""
        if self._parts.draining:
            return
        self._parts.draining = True
        deadline = time.monotonic() + self._config.processor.drain_timeout
        async with self._stack:  # whatever fails on the way, everything is closed
            try:
                await self._drain(deadline)
            finally:
                end_all(self._parts)
                await self._parts.offline.stop(max(LEAST_STORE_TIME, deadline - time.monotonic()))
        self._parts.journal.flush(math.inf)
        _log.info("gateway stopped", extra={**self._parts.counters.snapshot(), **self._lost()})

    async def _drain(self, deadline: float) -> None:
        if self._listener is None or self._control is None:
            return
        self._listener.stop_accepting()
        await self._control.set_serving(False)
        # Logins first: what waits behind them was accepted too and still has to go through the queue.
        await self._requests.stop(deadline - time.monotonic())
        await self._parts.processor.stop(deadline - time.monotonic())
        await hand_out(self._parts, deadline)
        await self._listener.close(CloseCode.DRAINING, CloseCode.DRAINING.phrase("the gateway stops"))

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
            "transport": {
                "half_open": self._listener.half_open,
                "unacknowledged": self._listener.unacknowledged,
                "given_up": self._listener.given_up,
                **asdict(self._listener.counters),
            }
            if self._listener
            else {},
            "sessions": {
                "INITED": parts.registry.count(State.INITED),
                "NORMAL": parts.registry.count(State.NORMAL),
                "detached": sum(not session.attached for session in parts.registry),
                "remembered": parts.registry.remembered,
            },
            "retained_bytes": self._budget.used,
            "request_memory": self._requests.memory.stats(),
            "accounts": parts.accounts.snapshot((s.outbox.tally for s in parts.registry), parts.offline.share()),
            "processor": parts.processor.stats(),
            "logins": self._requests.logins.stats(),
            "upstream": self._caller.stats() if self._caller else {},
            "counters": parts.counters.snapshot(),
            "log_lines_dropped": lines_dropped(),
            "closes": parts.journal.closes(),
        }

    def _lost(self) -> dict[str, int]:
        """What was accepted for clients and is lost, or was sent and never acknowledged."""
        accounts = self._parts.accounts.snapshot((), self._parts.offline.share())
        return {f"{kind}_lost": account["lost"] for kind, account in accounts.items()}

    # Wiring

    def _make_parts(self, engine: Any, dev: bool) -> Parts:
        config = self._config
        self._budget = engine.ByteBudget(config.session.memory)
        return Parts(
            config=config,
            engine=engine,
            clock=time.monotonic,
            call_later=_call_later,
            wall=time.time,
            counters=Counters(),
            registry=Registry(self._make_outbox, remember=config.session.resume_window),
            sender=OrderedSender(self._overflowed, lambda needed: self._parts.memory.make_room(needed)),
            authenticator=make_authenticator(AuthSettings(**config.auth.model_dump(), dev=dev)),
            attempts=AttemptLimiter(config.limits.auth_failures_per_minute),
            route=self._table.service_for,
            call=self._call,
            store=make_store(_store_settings(config)),
            budget=self._budget,
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
        key = self._tls_key or tls.key
        if tls.cert is None or key is None:
            raise ConfigError(_without_certificate(tls))
        admin = await AdminServer.start(*split_address(server.admin), ready=self._ready, stats=self.stats)
        stack.push_async_callback(admin.stop)
        await self._own.add(*admin.address)
        self._control = await ControlServer.start(*split_address(server.grpc), self)
        stack.push_async_callback(self._control.stop)
        await self._own.add(*self._control.address)
        await self._refuse_own_address()
        host, port = split_address(server.quic)
        self._listener = await listen(
            host,
            port,
            certificate=tls.cert,
            private_key=key,
            factory=self._converse,
            limits=_transport_limits(self._config),
            observer=self._door,
            reset_key=reset_key_for(server.reset_key_file, tls.key or tls.cert, 0 if self._dev else port),
        )
        stack.push_async_callback(
            self._listener.close, CloseCode.INTERNAL, CloseCode.INTERNAL.phrase("the gateway could not start")
        )
        await self._own.add(*self._listener.address)
        self.addresses = Addresses(*(join_address(*part.address) for part in (self._listener, self._control, admin)))

    def _converse(self, connection: Connection) -> Conversation:
        return Conversation(connection, self._parts, self._starting, self._requests)

    async def _call(self, service: str, request: UpstreamRequest, timeout: float) -> UpstreamResponse:
        if self._caller is None:
            raise RuntimeError("the gateway is not started")
        try:
            return await self._caller.call(service, request, timeout)
        except UpstreamError as error:
            _count(self._parts.counters, error)
            kind = BusyError if isinstance(error, UpstreamBusy) else RequestError
            raise kind(error.code, error.message, error.public) from error

    def _ready(self) -> str | None:
        if self._parts.draining:
            return "the gateway stops"
        return "the gateway is starting" if self._caller is None else self._caller.readiness.reason()

    async def _refuse_own_address(self) -> None:
        for instance in self._directory.instances():
            if await self._own.include(instance.address, names=False):
                services = ", ".join(f"upstream.{service}" for service in self._directory.services_of(instance))
                raise ConfigError(f"{services}: {instance.address} is the gateway itself; write the service's address")

    # GatewayService (protocol §4)

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse:
        """Answer PushToClient."""
        return await self._pushes.push(request)

    async def broadcast(self, request: BroadcastRequest) -> BroadcastResponse:
        """Answer BroadcastToClients."""
        return await self._pushes.broadcast(request)

    async def register(self, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        """Answer RegisterUpstream."""
        if self._registration is None:
            raise RuntimeError("the gateway is not started")
        return await self._registration.answer(request)


def _routing(config: Config) -> RoutingTable:
    routing = config.routing
    return RoutingTable(routing.mode, routing.actions, routing.parts, routing.default, routing.zone_ranges)


def _directory(config: Config, table: RoutingTable) -> Directory:
    directory = Directory(table.services, config.routing.mode)
    for service in SERVICES:
        for address in getattr(config.upstream, service) if config.routing.mode == "service" else ():
            directory.add(service, address)
    return directory


def _without_certificate(tls: TlsConfig) -> str:
    need = "QUIC needs a certificate and its key, both PEM files"
    if tls.cert is None and tls.key is None:
        return f"tls.cert and tls.key are not set; {need}"
    there, missing = ("tls.cert", "tls.key") if tls.key is None else ("tls.key", "tls.cert")
    return f"only {there} is set, {missing} is not; {need}"


def _transport_limits(config: Config) -> TransportLimits:
    limits = config.limits
    return TransportLimits(
        max_connections=limits.max_connections,
        max_half_open=limits.max_half_open,
        # What sessions retain is there a second time while their clients' QUIC has not acknowledged it.
        backlog=max(config.session.memory, LEAST_BACKLOG),
        retry_above=limits.retry_from,
        handshakes_per_address=(limits.handshakes_per_second, math.ceil(limits.handshakes_per_second * 10)),
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


def _count(counters: Counters, error: UpstreamError) -> None:
    if isinstance(error, UpstreamFailed):
        counters.add("upstream_failures")
    elif isinstance(error, UpstreamTimeout):
        counters.add("upstream_timeouts")
    elif isinstance(error, UpstreamBusy):  # also each time that a login asks again
        counters.add("upstream_busy")
    else:
        counters.add("upstream_unavailable")


def _fields(addresses: Addresses) -> dict[str, str]:
    return {"quic": addresses.quic, "grpc": addresses.grpc, "admin": addresses.admin}


def _call_later(delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay, callback)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
