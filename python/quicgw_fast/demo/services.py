"""The embedded upstream services: real gRPC servers in one loop, one port each, and their registration."""

from __future__ import annotations

import asyncio
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
from quicgw_fast.service import GatewayUnreachable, RegistrationRefused
from quicgw_fast.service.gateway_link import TokenNotTaken
from quicgw_fast.service.registration import KeptRegistration, lease_for
from quicgw_fast.upstream import SERVICES, GatewayCallFailed, ServiceMode
from quicgw_fast.upstream.errors import GatewayLetsNobodyIn
from quicgw_fast.upstream.grpcio.gateway_client import CONNECT_TIMEOUT, OPEN_TO_ALL, GatewayAccess, GatewayClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.upstream import RoutingMode

    Context = grpc.aio.ServicerContext[Any, Any]

RENEW_EVERY = 5.0
"""Seconds between two registrations: a gateway that was restarted remembers nobody."""


class Services:
    """The running services; ``start_services`` makes them.

    ``addresses`` maps each name to host:port as bound.
    """

    def __init__(self, host: str) -> None:
        self.addresses: dict[str, str] = {}
        self._host = host
        self._shared = Shared()
        self._servers: list[grpc.aio.Server] = []
        self._registrations: list[tuple[KeptRegistration, GatewayClient]] = []

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
        renew_every: float = RENEW_EVERY,
    ) -> None:
        """Register every service until the stop, waiting up to ``timeout`` seconds for the gateway to be there.

        Each registers under its own name, or under that of ``labels`` in its place: a zone for example. Raises
        StartupError when the gateway is not there or refuses.
        """
        labels = labels or list(self.addresses)
        if len(labels) != len(self.addresses):
            raise StartupError(f"{len(self.addresses)} services cannot serve {len(labels)} zones; give one each")
        requests = [
            mode.registration(address, label) for label, address in zip(labels, self.addresses.values(), strict=True)
        ]
        for request in requests:
            request.lease = lease_for(renew_every)
        client = GatewayClient(
            gateway_address, access, connect_timeout=min(CONNECT_TIMEOUT, timeout / 2), patient=False
        )
        kept = KeptRegistration(_CommandLink(client), requests, renew_every)
        self._registrations.append((kept, client))
        kept.start()
        try:
            async with asyncio.timeout(timeout):
                await kept.accepted()
        except TimeoutError:
            raise StartupError(f"cannot register: {kept.problem or 'no answer yet'}") from None
        except RegistrationRefused as error:
            raise StartupError(f"the gateway at {client.address} refuses {error}") from error
        except GatewayUnreachable as error:
            raise StartupError(f"cannot register: {error}") from error

    async def stop(self, grace: float = 0.0) -> None:
        """Leave the gateway, close the ports and break off what is under way after ``grace`` seconds; idempotent."""
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
        registrations, self._registrations = self._registrations, []
        for kept, client in registrations:
            await kept.leave()
            await client.close()


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


def _other_mode(request: pb.UpstreamRegisterRequest, code: str) -> str:
    """What to do where the gateway misses a name that services of this mode do not have: it routes by the other one."""
    for mode, missing, name in (
        ("zone", RegisterCode.BAD_ZONE, request.zone_id),
        ("service", RegisterCode.BAD_SERVICE, request.service_name),
    ):
        if code == missing and not name:
            return f"; its routing.mode is {mode}: register with --mode {mode}"
    return ""


class _CommandLink:
    """A gateway as registrations see it (``RegistrationLink``), with the words of the commands about what fails."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self.address = client.address
        self.reopen = _nothing
        """What a command shows to the gateway was read when it began."""
        self.gone = asyncio.sleep
        """A lost connection is noticed at the next renewal."""

    async def register(self, request: pb.UpstreamRegisterRequest, timeout: float) -> str:
        try:
            answer = await self._client.register(request, timeout)
        except GatewayCallFailed as error:
            kind = TokenNotTaken if isinstance(error, GatewayLetsNobodyIn) else GatewayUnreachable
            raise kind(f"{error} ({error.remedy})") from error
        if not answer.success:
            told = f"{request.address}: {answer.error_code} {answer.message}{_other_mode(request, answer.error_code)}"
            raise RegistrationRefused(answer.error_code, told)
        return answer.message


async def _nothing() -> None:
    pass


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
        return ActionReply(message=service.unknown.told(request.action, list(ACTIONS)), code=404)
    try:
        return await handler(service, request)
    except ActionRefused as error:
        return ActionReply(message=str(error), code=error.code)
