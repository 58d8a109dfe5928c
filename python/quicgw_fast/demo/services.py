"""The embedded upstream services: real gRPC servers in one loop, one port each, and their registration."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any

import grpc

from quicgw_fast.codes import RegisterCode
from quicgw_fast.config import join_address
from quicgw_fast.control.grpc_server import add_port
from quicgw_fast.demo import pushes  # noqa: F401 - enters its actions
from quicgw_fast.demo.actions import ACTIONS, ActionRefused, ActionReply, BrokenOff, EmbeddedService, Shared
from quicgw_fast.errors import StartupError
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceServicer, add_UpstreamServiceServicer_to_server
from quicgw_fast.upstream import SERVICES, GatewayCallFailed, ServiceMode
from quicgw_fast.upstream.grpcio.gateway_client import OPEN_TO_ALL, GatewayAccess, GatewayClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.upstream import RoutingMode

    Context = grpc.aio.ServicerContext[Any, Any]

_log = logging.getLogger("quicgw.demo")

SAY_WAITING_AFTER = 2.0
"""Seconds without a connection to the gateway after which that is said."""
LEASES = 4
"""Times the interval of renewals is the lease: some may fail without that the services leave."""
LEAVE_TIMEOUT = 1.0
"""Seconds that a stop spends on telling the gateway."""


class Services:
    """The running services; ``start_services`` makes them.

    ``addresses`` maps each name to host:port as bound.
    """

    def __init__(self, host: str) -> None:
        self.addresses: dict[str, str] = {}
        self._host = host
        self._shared = Shared()
        self._servers: list[grpc.aio.Server] = []
        self._renewal: asyncio.Task[None] | None = None
        self._registered: list[tuple[str, GatewayAccess, pb.UpstreamRegisterRequest]] = []
        """Gateway, what it asks for, and request of each registration that holds."""

    async def use_gateway(self, address: str, access: GatewayAccess = OPEN_TO_ALL) -> None:
        """Push through the gateway at ``address`` from now on."""
        previous, self._shared.gateway = self._shared.gateway, GatewayClient(address, access)
        if previous is not None:
            await previous.close()

    async def register(
        self,
        gateway_address: str,
        mode: type[RoutingMode] = ServiceMode,
        labels: Sequence[str] = (),
        *,
        access: GatewayAccess = OPEN_TO_ALL,
        timeout: float = 30.0,
        renew_every: float | None = None,
    ) -> None:
        """Register every service with the gateway, waiting up to ``timeout`` seconds for it to be there.

        Each registers under its own name, or under that of ``labels`` in its place: a zone for example. ``renew_every``
        (seconds) registers again and again from then on, as a restarted gateway remembers nobody; with a lease, so that
        the gateway forgets services that are gone. Raises StartupError when the gateway is not there or refuses.
        """
        labels = labels or list(self.addresses)
        lease = 0 if renew_every is None else math.ceil(LEASES * renew_every)
        if len(labels) != len(self.addresses):
            raise StartupError(f"{len(self.addresses)} services cannot serve {len(labels)} zones; give one each")
        requests = [
            mode.registration(address, label) for label, address in zip(labels, self.addresses.values(), strict=True)
        ]
        for request in requests:
            request.lease = lease
        client = GatewayClient(gateway_address, access, connect_timeout=timeout)
        try:
            await _say_if_it_takes_long(client, timeout)
            await _register_all(client, requests, timeout)
            self._registered.extend((client.address, access, request) for request in requests)
        except BaseException:
            await client.close()
            raise
        if renew_every is None:
            await client.close()
        else:
            await self._stop_renewal()
            self._renewal = asyncio.create_task(
                _keep_registered(client, requests, renew_every), name="demo-registration"
            )

    async def stop(self, grace: float = 0.0) -> None:
        """Leave the gateway, close the ports and break off what is under way after ``grace`` seconds; idempotent."""
        await self._stop_renewal()
        await self._leave()
        await asyncio.gather(*(server.stop(grace or None) for server in self._servers))
        if self._shared.gateway is not None:
            gateway, self._shared.gateway = self._shared.gateway, None
            await gateway.close()

    async def start_one(self, name: str, port: int) -> None:
        """Serve one more service; StartupError when its port cannot be had."""
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 4 << 20)))
        add_UpstreamServiceServicer_to_server(_EmbeddedServicer(EmbeddedService(name, self._shared)), server)
        bound = add_port(server, self._host, port, f"the {name} service", "choose another port")
        await server.start()
        self._servers.append(server)
        self.addresses[name] = join_address(self._host, bound)

    async def _leave(self) -> None:
        """Take back every registration, so that the gateway sends nothing more to a port that closes."""
        registered, self._registered = self._registered, []
        for address, access in dict.fromkeys((address, access) for address, access, _ in registered):
            client = GatewayClient(address, access, connect_timeout=LEAVE_TIMEOUT, patient=False)
            try:
                for request in [request for gateway, _, request in registered if gateway == address]:
                    await client.deregister(request, LEAVE_TIMEOUT)
            except GatewayCallFailed as error:  # it is gone too, and will find out by itself
                _log.debug("not deregistered", extra={"gateway": address, "reason": str(error)})
            finally:
                await client.close()

    async def _stop_renewal(self) -> None:
        if self._renewal is not None:
            task, self._renewal = self._renewal, None
            task.cancel()
            await asyncio.wait([task])


async def start_services(
    gateway_address: str | None = None,
    ports: Sequence[int] = (0, 0, 0),
    *,
    access: GatewayAccess = OPEN_TO_ALL,
    names: Sequence[str] = SERVICES,
    host: str = "127.0.0.1",
) -> Services:
    """Serve the embedded services, one per name and port; port 0 takes any free one.

    ``gateway_address`` is where they push to; it may come later with ``Services.use_gateway``, as a gateway
    on a free port wants to know its upstreams first. Raises StartupError when a port cannot be had.
    """
    services = Services(host)
    try:
        for name, port in zip(names, ports, strict=True):
            await services.start_one(name, port)
        if gateway_address is not None:
            await services.use_gateway(gateway_address, access)
    except BaseException:
        await services.stop()
        raise
    return services


async def _say_if_it_takes_long(client: GatewayClient, seconds: float) -> None:
    """Wait a little for the gateway; if it is not there, say why before the long wait begins."""
    if seconds <= SAY_WAITING_AFTER:
        return
    try:
        await client.connect(SAY_WAITING_AFTER)
    except GatewayCallFailed as error:
        _log.warning("waiting for the gateway", extra={"gateway": client.address, "reason": str(error)})


async def _register_all(client: GatewayClient, requests: Sequence[pb.UpstreamRegisterRequest], seconds: float) -> None:
    for request in requests:
        try:
            answer = await client.register(request, seconds)
        except GatewayCallFailed as error:
            raise StartupError(f"cannot register {request.address}: {error} ({error.remedy})") from error
        if not answer.success:
            raise StartupError(
                f"the gateway at {client.address} refuses {request.address}: {answer.error_code} {answer.message}"
                f"{_other_mode(request, answer.error_code)}"
            )


def _other_mode(request: pb.UpstreamRegisterRequest, code: str) -> str:
    """What to do where the gateway misses a name that services of this mode do not have: it routes by the other one."""
    for mode, missing, name in (
        ("zone", RegisterCode.BAD_ZONE, request.zone_id),
        ("service", RegisterCode.BAD_SERVICE, request.service_name),
    ):
        if code == missing and not name:
            return f"; its routing.mode is {mode}: register with --mode {mode}"
    return ""


async def _keep_registered(client: GatewayClient, requests: Sequence[pb.UpstreamRegisterRequest], every: float) -> None:
    """Register every ``every`` seconds for ever; says in the log when that begins or ceases to fail."""
    failing = False
    try:
        while True:
            await asyncio.sleep(every)
            try:
                await _register_all(client, requests, every)
            except StartupError as error:
                if not failing:
                    _log.warning("registration fails", extra={"gateway": client.address, "reason": str(error)})
                failing = True
            else:
                if failing:
                    _log.info("registered again", extra={"gateway": client.address})
                failing = False
    finally:
        await client.close()


class _EmbeddedServicer(UpstreamServiceServicer):
    def __init__(self, service: EmbeddedService) -> None:
        self._service = service

    async def ProcessRequest(self, request: pb.UpstreamRequest, context: Context) -> pb.UpstreamResponse:
        service = self._service
        service.served += 1
        service.in_flight += 1
        try:
            reply = await _run(service, request)
        except BrokenOff as error:
            await context.abort(error.status, str(error))
        finally:
            service.in_flight -= 1
        return pb.UpstreamResponse(
            code=reply.code,
            message=reply.message,
            data=reply.data,
            headers=reply.headers,
            client_seq_id=request.client_seq_id,
        )

    async def GetStatus(self, request: pb.StatusRequest, context: Context) -> pb.StatusResponse:  # noqa: ARG002
        service = self._service
        return pb.StatusResponse(
            status="running",
            uptime=service.uptime,
            active_connections=service.in_flight,
            metadata={"service": service.name, "served": str(service.served)},
        )


async def _run(service: EmbeddedService, request: pb.UpstreamRequest) -> ActionReply:
    handler = ACTIONS.get(request.action.lower())
    if handler is None:
        return ActionReply(message=f"unknown action {request.action[:64]!r}", code=404)
    try:
        return await handler(service, request)
    except ActionRefused as error:
        return ActionReply(message=str(error), code=error.code)
