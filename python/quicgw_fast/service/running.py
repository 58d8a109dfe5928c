"""A service that runs: its port, its gateways, and its end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from quicgw_fast.proto.service_pb2_grpc import add_UpstreamServiceServicer_to_server
from quicgw_fast.service.access import split
from quicgw_fast.service.errors import GatewayUnreachable, ServiceNotStarted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.service.gateways import Gateways
    from quicgw_fast.service.registration import KeptRegistration
    from quicgw_fast.service.servicer import Servicer
    from quicgw_fast.service.threads import Threads

_log = logging.getLogger("quicgw.service")

SERVICE_NAME = "gatesvr.proto.UpstreamService"
_OPTIONS = (
    # Two services on one port would share its connections by chance.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4 << 20),
)


class ServicePort:
    """A gRPC server on one port, with health; ``address`` is host:port as bound."""

    def __init__(self, servicer: Servicer) -> None:
        self.address = ""
        self._servicer = servicer
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=_OPTIONS)
        add_UpstreamServiceServicer_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, listen: str, credentials: grpc.ServerCredentials | None) -> None:
        """Listen and answer, with credentials over TLS; raises ServiceNotStarted when the port cannot be had."""
        host, port = split(listen, "the address to listen on")
        free_port(host, port)
        shown = f"[{host}]" if ":" in host else host
        try:
            place = f"{shown or '0.0.0.0'}:{port}"
            if credentials is None:
                bound = self._server.add_insecure_port(place)
            else:
                bound = self._server.add_secure_port(place, credentials)
        except RuntimeError as error:
            raise ServiceNotStarted(f"cannot listen on {listen}: {error}; choose another port") from error
        await self._server.start()
        for name in ("", SERVICE_NAME):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self.address = f"{shown}:{bound}"

    async def refuse(self) -> None:
        """Tell who asks for its health that it takes nothing new."""
        self._servicer.stopping = True
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> int:
        """Take nothing new, and end when all is answered or after ``grace`` seconds; how many were broken off."""
        stopping = asyncio.ensure_future(self._server.stop(grace))
        _, late = await asyncio.wait({stopping}, timeout=grace)
        left = len(self._servicer.under_way) if late else 0
        await stopping
        return left


class RunningService:
    """What ``Service.running`` gives: where the service listens, and how far it is with its gateways."""

    def __init__(
        self,
        listener: ServicePort,
        registrations: Sequence[KeptRegistration],
        gateways: Gateways,
        threads: Threads,
        grace: float,
    ) -> None:
        self._listener = listener
        self._registrations = registrations
        self._gateways = gateways
        self._threads = threads
        self._grace = grace

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return self._listener.address

    @property
    def busy_threads(self) -> int:
        """How many plain handlers still run."""
        return self._threads.busy

    async def registered(self, timeout: float | None = None) -> None:
        """Wait until every gateway has taken the service in and can reach it.

        Raises GatewayUnreachable after ``timeout`` seconds, with the reason.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(each.registered() for each in self._registrations))
        except TimeoutError:
            problems = [each.problem for each in self._registrations if each.problem]
            why = "; ".join(problems) or "no answer yet"
            raise GatewayUnreachable(f"not registered within {timeout:g} s: {why}") from None

    async def stop(self) -> None:
        """Leave the gateways, answer what is under way, and close. Handlers may notify until their answer is gone."""
        await self._listener.refuse()
        await asyncio.gather(*(each.leave() for each in self._registrations))
        broken_off = await self._listener.stop(self._grace)
        if broken_off:
            _log.warning("requests broken off", extra={"count": broken_off, "seconds": self._grace})
        await self._threads.close()
        await asyncio.gather(self._gateways.close(), *(link.close() for link in self._gateways.own))


def free_port(host: str, port: int) -> None:
    """Raise ServiceNotStarted with the reason when a port cannot be had: gRPC itself does not say why."""
    if port == 0:
        return
    try:
        found: list[Any] = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ServiceNotStarted(
            f"cannot listen on {host}:{port}: {error.strerror}; write an address of this machine"
        ) from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            remedy = "choose another port, or 0 for any free one" if taken else "choose another address"
            why = "another program listens there" if taken else os.strerror(error.errno or 0)
            raise ServiceNotStarted(f"cannot listen on {host}:{port}: {why}; {remedy}") from error
