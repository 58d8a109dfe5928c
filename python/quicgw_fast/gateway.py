"""The life of a gateway: it starts, it drains, it stops. What it is made of is in ``assembly``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from quicgw_fast import backend
from quicgw_fast.addresses import Addresses, join_address
from quicgw_fast.assembly import assemble_gateway
from quicgw_fast.carrier import CARRIERS, MAX_BODY
from quicgw_fast.clock import SystemClock
from quicgw_fast.codes import CloseCode
from quicgw_fast.config import split_address
from quicgw_fast.control import (
    MOST_BUFFERED,
    AdminServer,
    ControlAccess,
    ControlServer,
    Doors,
    Refusals,
    Scope,
    advertised_address,
    pages,
    read_access,
)
from quicgw_fast.joining import join
from quicgw_fast.observe import (
    MOST_WAITING,
    BufferKind,
    Descriptors,
    Door,
    Filling,
    Metrics,
    Unit,
    Watcher,
    bytes_waiting,
    lines_dropped,
    register_buffer,
    register_listener,
    render_stats,
)
from quicgw_fast.observe.exposition import Exposition
from quicgw_fast.overload import LiveLimits
from quicgw_fast.reloading import Origin, Reloader, gateway_parts
from quicgw_fast.tracing import make_tracing
from quicgw_fast.transport import Listener, TransportLimits, Validity, listen, read_scheme, reset_key_for
from quicgw_fast.workers import ALONE, look_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.routing import Route

    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.config import Config
    from quicgw_fast.control import GroupKeeper, PresenceTeller, Pusher, Registrar
    from quicgw_fast.proto.service_pb2 import UpstreamRegisterRequest, UpstreamRegisterResponse
    from quicgw_fast.reloading import Prepare
    from quicgw_fast.upgrading import Heritage, Succession
    from quicgw_fast.workers import Seat

LEAST_STORE_TIME = 1.0
"""Seconds for what ended sessions hand over to the offline store, also when draining took all of its time."""

LAST_SPANS = 2.0
"""Seconds for the spans that wait for the collector at the end."""

_UNAUTHENTICATED = {
    "effect": "any client may use any openid, and take over any session",
    "remedy": 'set auth.mode = "jwt" and auth.key_file or auth.jwks_file',
}

_NOT_TOLD = {
    "reason": "server.grpc is bound to every address of the machine",
    "effect": "the header gateway is empty; services push through the gateways of their own configuration",
    "remedy": "set server.grpc_advertise to where services reach this gateway",
}

_log = logging.getLogger("quicgw.gateway")


class Gateway:
    """One gateway in the running event loop: ``start()``, then ``addresses``, at the end ``stop()``."""

    def __init__(
        self,
        config: Config,
        *,
        engine: Engine = backend,
        dev: bool = False,
        tls_key: bytes | None = None,
        origin: Origin | None = None,
        end: Callable[[], None] | None = None,
        stand_ins: Mapping[str, str] | None = None,
        seat: Seat = ALONE,
        admin_ports: Callable[[], Sequence[int]] = tuple,
        heritage: Heritage | None = None,
    ) -> None:
        """``engine`` is a maker of ``backend.load``; ``dev`` spares the warning of ``auth.mode = "none"``.

        ``tls_key`` is the private key of ``tls.cert`` as PEM, for one that is in no file. ``origin`` is where
        ``config`` is from, to be read again; without one only the files that it names are. ``end`` asks whoever runs it
        to stop it, for POST /drain. ``seat`` is its place among the workers of a machine, and
        ``admin_ports`` are those of all of them. ``stand_ins`` are addresses
        that serve (by service or zone) while no other does. ``heritage`` is for one that may have a successor.

        Raises ConfigError for what cannot be used.
        """
        self._engine = engine
        self._makers = {
            "engine": engine.NAME,
            "transport": config.server.transport,
            "upstream": config.upstream.client,
        }
        self._dev = dev
        self._tls_key = tls_key
        self._end = end
        self._seat, self._admin_ports = seat, admin_ports
        self._ports = seat if heritage is None else heritage.ports
        self._doors = Doors(self._open_admin, self._open_control)
        self._clock = SystemClock()
        self._metrics = metrics = Metrics()
        began = self._clock.now()
        metrics.gauge("uptime", "Since the start", lambda: round(self._clock.now() - began, 1), Unit.SECONDS)
        metrics.total("log_lines_dropped", "Log lines of this process that nobody took in time", lines_dropped)
        register_buffer(metrics, BufferKind.LOG, Filling(bytes_waiting, lambda: MOST_WAITING))
        self._door = Door(metrics, self._clock.now)
        self._access = ControlAccess(read_access(config.control))
        self._refusals = Refusals(metrics, self._clock.now)
        self._validity = Validity(self._clock)
        self._validity.register(metrics)
        self._watcher = Watcher(metrics, self._clock)
        self._exposition = Exposition(metrics, self._makers)
        chores = [self._door.flush, self._validity.tend, self._refusals.flush, Descriptors(metrics).look]
        self._tracing = make_tracing(config.tracing, self._clock, metrics)
        tracer = self._tracing and self._tracing.requests
        drain = None if end is None else self._begin_stop
        self._member = join(
            config, self._clock, metrics, seat, lambda: self._path, lambda: self._views, self._register, drain
        )
        self._succession = None if heritage is None else self._succeed(heritage)
        self._others = others = self._member or self._succession
        assembled = assemble_gateway(config, engine, self._clock, metrics, chores=chores, tracer=tracer, member=others)
        self._path, self._upstream = assembled.path, assembled.upstream
        self._gates, self._views, self._outlets = assembled.gates, assembled.views, assembled.outlets
        for service, address in (stand_ins or {}).items():
            self._upstream.directory.stand_in(service, address)
        metrics.gauge("ready", "Whether it takes work, as /readyz says", lambda: self._ready() is None, Unit.FLAG)
        origin = origin or Origin(lambda: contextlib.nullcontext(config), None)
        self.reloader = Reloader(config, origin, self._parts, self._stopping, self._clock, metrics)
        """Whoever wants the configuration read again asks it."""
        self._stack = contextlib.AsyncExitStack()
        self._listener: Listener | None = None
        self.addresses = Addresses("", "", "")

    @property
    def _config(self) -> Config:
        """What is in use."""
        return self.reloader.config

    # Life

    async def start(self) -> None:
        """Listen on all three addresses; StartupError says what could not be had, and then nothing is left open."""
        async with contextlib.AsyncExitStack() as stack:
            if self._tracing is not None:
                self._tracing.export.start()
                stack.push_async_callback(asyncio.to_thread, self._tracing.export.stop, LAST_SPANS)
            stack.push_async_callback(self._path.offline.stop)
            self._upstream.start()
            stack.push_async_callback(self._upstream.close)
            if self._member is not None:
                await look_ahead(self._config, self._seat, self._tls_key)
            if self._others is not None:
                await self._others.start()
                stack.push_async_callback(self._others.stop)
            await self._listen(stack)
            self._path.requests.start()
            self._outlets.webhooks.start()
            stack.push_async_callback(self._outlets.webhooks.stop)
            self._watcher.start()
            stack.callback(self._watcher.stop)
            for name, work in (("housekeeping", self._path.housekeeping.run()), ("reload", self.reloader.run())):
                stack.push_async_callback(_cancel, asyncio.create_task(work, name=name))
            self._stack = stack.pop_all()
        if self._succession is not None:
            self._succession.ready()
        _log.info("gateway started", extra={**self._makers, **asdict(self.addresses)})
        if self._config.auth.mode == "none" and not self._dev:
            _log.warning("authentication is off", extra=_UNAUTHENTICATED)

    async def stop(self) -> None:
        """Answer what was accepted, tell the clients, close everything (protocol §6, ``DRAINING``)."""
        path = self._path
        if path.draining.leaving:
            return
        path.draining.leaving = True
        deadline = self._clock.now() + self._longest_stop()
        async with self._stack:  # whatever fails on the way, everything is closed
            try:
                await self._be_left()
                await self._drain(deadline)
            finally:
                path.moving.departures.stop()
                path.closing.end_all()
                stored = path.offline.stop(max(LEAST_STORE_TIME, deadline - self._clock.now()))
                await asyncio.gather(stored, self._outlets.finish())
                path.services.pushes.stop()
        path.journal.flush(math.inf)
        stats = self.stats()
        # What was accepted for clients and is lost, or was sent and never acknowledged, is said beside the counters.
        lost = {f"{kind}_lost": account["lost"] for kind, account in stats["accounts"].items()}
        counted = {name: count for name, count in stats["counters"].items() if count}
        _log.info("gateway stopped", extra={**counted, **lost})

    async def _be_left(self) -> None:
        """Send nobody here any more, and wait until that has been noticed; everything works meanwhile."""
        if self._succession is not None and self._succession.leave():
            return  # whoever comes does not come here
        delay = self._config.drain.delay
        await self._doors.set_serving(False)
        if self._listener is not None and delay:
            _log.info("gateway not ready", extra={"reason": "it is to stop", "seconds": delay})
            await asyncio.sleep(delay)

    async def _drain(self, deadline: float) -> None:
        path, listener = self._path, self._listener
        path.draining.active = True
        path.draining.moving = self._others is not None and not self._others.alone
        if listener is None:
            return
        _log.info("gateway draining", extra={"clients": listener.connections})
        listener.stop_accepting()
        await path.hand_out.run(deadline, lambda: path.requests.stop(deadline))
        if self._others is not None:
            await self._others.fetched(deadline)
        await listener.close(CloseCode.DRAINING, CloseCode.DRAINING.phrase("the gateway stops"))

    async def __aenter__(self) -> Gateway:
        """Start the gateway."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the gateway."""
        await self.stop()

    @property
    def metrics(self) -> Metrics:
        """The registry of what it counts and measures."""
        return self._metrics

    def stats(self) -> dict[str, Any]:
        """Everything that /stats shows."""
        return render_stats(self._metrics, self._makers, self._upstream.report())

    @property
    def ask_for_upgrade(self) -> Callable[[], None] | None:
        """Has a successor take over; what comes of it is in the log. None where there can be none."""
        return None if self._succession is None else self._succession.ask

    def log_numbers(self) -> None:
        """Write to the log what has happened so far, and how much of everything there is."""
        stats = self.stats()
        counted = {name: count for name, count in stats["counters"].items() if count}
        now = {"connections": stats.get("connections", 0), "waiting": stats["processor"]["queue_length"]}
        _log.info("numbers", extra={**now, **counted})

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        server, tls, upstream = self._config.server, self._config.tls, self._upstream
        certificate, key = tls.pair(self._tls_key)
        doors = self._doors
        stack.push_async_callback(doors.stop)
        await doors.open()
        register_buffer(self._metrics, BufferKind.CONTROL, Filling(doors.buffered, lambda: MOST_BUFFERED))
        await upstream.own.add(*doors.admin)
        await upstream.own.add(*doors.control)
        self._path.call_back.be_at(self._told_services())
        await upstream.refuse_own_addresses()
        host, port = split_address(server.quic)
        self._listener = await listen(
            host,
            port,
            certificate=certificate,
            private_key=key,
            factory=self._path.conversations.begin,
            alpn=tuple(CARRIERS),
            clock=self._clock,
            maker=server.transport,
            limits=TransportLimits.of(self._config.session, short_path=server.short_path),
            gatekeeper=self._gates.connections,
            observer=self._door,
            pace=self._path.pace,
            validity=self._validity,
            reset_key=reset_key_for(server.reset_key_file, tls.key or certificate, 0 if self._dev else port),
            scheme=read_scheme(self._config),
            share=self._ports.share(),
        )
        stack.push_async_callback(
            self._listener.close, CloseCode.INTERNAL, CloseCode.INTERNAL.phrase("the gateway could not start")
        )
        register_listener(self._metrics, self._listener, largest_step=self._config.session.window_bytes + MAX_BODY)
        await upstream.own.add(*self._listener.address)
        self.addresses = Addresses(*(join_address(*at) for at in (self._listener.address, doors.control, doors.admin)))

    async def _open_admin(self) -> AdminServer:
        host, port = self._ports.admin_address(self._config.server)
        guard = self._access.admin_guard(host, self._refusals)
        return await AdminServer.start(host, port, self._pages(), guard, sock=self._ports.admin_socket())

    async def _open_control(self) -> ControlServer:
        pushes, groups, presence, registrar = self._served()
        return await ControlServer.start(
            *self._ports.grpc_address(self._config.server),
            pushes,
            groups,
            presence,
            registrar,
            self._outlets.watches,
            self._access,
            self._refusals,
            tracer=self._tracing and self._tracing.pushes,
            shared=self._ports.shared,
        )

    def _succeed(self, heritage: Heritage) -> Succession:
        from quicgw_fast.upgrading import Succession  # what it needs is for a gateway in another program too much

        about = lambda: self._config, self._clock, self._metrics, lambda: self._path, self._register
        return Succession(heritage, *about, self._doors, lambda: self._listener)

    def _pages(self) -> list[Route]:
        limits = LiveLimits(self._gates, lambda: self._config, self._clock.now)
        of_all = None if self._member is None else self._member.operators
        scope = Scope(of_all)
        shown = [
            *pages.health_pages(self._ready),
            *pages.stats_pages(self.stats),
            *pages.performance_pages(self._watcher.performance, self._watcher.latency),
            *pages.metrics_pages(self._exposition.render),
            *pages.reload_pages(self._reload, self._admin_ports),
            *pages.overload_pages(limits),
            *pages.config_pages(limits.settings),
            *pages.session_pages(self._kick, self._views, scope),
            *pages.group_pages(self._views, scope),
            *pages.cluster_pages(self._member),
            *pages.upstream_pages(self._upstream),
            *pages.upgrade_pages(self._succession, self._config),
            *pages.drain_pages(self._end, self._longest_stop, self._admin_ports, of_all),
            *pages.profile_pages(),
        ]
        return [*shown, *pages.openapi_pages(shown), *pages.web_pages()]

    def _told_services(self) -> str:
        address = advertised_address(self._config.server.grpc_advertise, *self._doors.control)
        if not address:
            _log.warning("services are not told the gateway's address", extra=_NOT_TOLD)
        return address

    def _parts(self) -> list[Prepare]:
        assert self._listener is not None
        return gateway_parts(
            self._path,
            self._gates,
            self._upstream,
            self._listener,
            self._access,
            self._outlets.webhooks,
            self._validity,
            self._tls_key,
        )

    def _served(self) -> tuple[Pusher, GroupKeeper, PresenceTeller, Registrar]:
        """Who answers services: this gateway alone, or with all other nodes."""
        if self._others is not None:
            everywhere = self._others.everywhere
            return everywhere, everywhere.groups, everywhere.groups, everywhere
        services = self._path.services
        return services.pushes, services.groups, services.presence, self._upstream.registration

    async def _register(self, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        return await self._upstream.registration.register(request)

    async def _kick(self, *, openid: str, session_id: str, reason: str) -> int:
        if self._others is not None:
            return await self._others.everywhere.kick(openid=openid, session_id=session_id, reason=reason)
        return self._path.kicks.kick(openid=openid, session_id=session_id, reason=reason)

    def _begin_stop(self) -> float:
        assert self._end is not None
        self._end()
        return self._longest_stop()

    def _longest_stop(self) -> float:
        return self._config.drain.delay + self._config.processor.drain_timeout

    def _stopping(self) -> bool:
        return self._path.draining.active or self._listener is None

    async def _reload(self) -> dict[str, object]:
        return (await self.reloader.reload("POST /reload")).report()

    def _ready(self) -> str | None:
        if self._path.draining.leaving:
            return "the gateway stops"
        joined = None if self._member is None else self._member.reason()
        return joined or self._gates.memory.reason() or self._upstream.readiness.reason()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
