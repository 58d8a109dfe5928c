"""A gateway and its upstream services in one process: real QUIC, real gRPC, nothing to configure."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from quicgw_fast.config import join_address, read_small, split_address
from quicgw_fast.control import first_token
from quicgw_fast.demo.scratch import Scratch
from quicgw_fast.demo.services import start_services
from quicgw_fast.errors import ConfigError
from quicgw_fast.gateway import Gateway
from quicgw_fast.reloading import Origin
from quicgw_fast.transport import development_pair
from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess
from quicgw_fast.upstream.routing import MODES
from quicgw_fast.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from types import TracebackType

    from quicgw_fast.config import Config, ControlConfig, UpstreamConfig
    from quicgw_fast.reloading import ReadAgain
    from quicgw_fast.workers import Seat

LOOPBACK = "127.0.0.1"
_CHOSEN = "has one of its own is chosen at its start; start it again for that"
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}

_log = logging.getLogger("quicgw.dev")


class Certificate:
    """A self-signed certificate while the context lasts: in a file of a temporary folder, for clients to trust.

    Its private key is in memory alone: a process that is killed leaves nothing behind that is worth anything, and the
    next one removes it.
    """

    def __init__(self) -> None:
        self.path = Path()
        self.key = b""
        """PEM."""
        self._scratch: Scratch | None = None

    def remove(self) -> None:
        """Remove the file now; harmless when it is gone."""
        if self._scratch is not None:
            self._scratch.remove()

    def __enter__(self) -> Certificate:
        certificate, self.key = development_pair()
        self._scratch = Scratch()
        self.path = self._scratch.path / "dev-cert.pem"
        self.path.write_bytes(certificate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def for_development(config: Config) -> Config:
    """Return the configuration with clients on this machine only, unless another address was written.

    Without tokens anybody is let in, so that nobody else should find the door by accident.
    """
    if "quic" in config.server.model_fields_set:
        return config
    _, port = split_address(config.server.quic)
    server = config.server.model_copy(update={"quic": join_address(LOOPBACK, port)})
    return config.model_copy(update={"server": server})


@asynccontextmanager
async def embedded_gateway(
    config: Config,
    certificate: Certificate,
    end: Callable[[], None] | None = None,
    origin: Origin | None = None,
    seat: Seat = ALONE,
    admin_ports: Callable[[], Sequence[int]] = tuple,
) -> AsyncIterator[Gateway]:
    """Start services and gateway; stop the gateway first, so that it can answer what it accepted.

    What ``config`` does not name is embedded: each service (or zone) without an address, and the certificate. An
    embedded service steps aside while another one is registered in its place, or is named by a reload. ``end``,
    ``origin``, ``seat`` and ``admin_ports`` are the gateway's. Raises StartupError.
    """
    names = _not_named(config.upstream, config)
    async with AsyncExitStack() as stack:
        services = await start_services(names=names, ports=[0] * len(names))
        stack.push_async_callback(services.stop)
        key = None
        if origin is not None:
            origin = Origin(partial(_read_embedded, origin.read_again, certificate, config), origin.path)
        if not _names_certificate(config):
            _log.info("certificate made", extra={"file": str(certificate.path)})
            config, key = _with_certificate(config, certificate), certificate.key
        stand_ins = services.addresses
        gateway = Gateway(
            config,
            dev=True,
            tls_key=key,
            stand_ins=stand_ins,
            end=end,
            origin=origin,
            seat=seat,
            admin_ports=admin_ports,
        )
        await stack.enter_async_context(gateway)
        await services.use_gateway(reachable(gateway.addresses.grpc), _own_access(config.control))
        yield gateway


def reachable(address: str) -> str:
    """Turn an address that is listened on into one to connect to from here: nobody can connect to 0.0.0.0."""
    host, port = split_address(address)
    return join_address(_EVERYWHERE.get(host, host), port)


def _own_access(control: ControlConfig) -> GatewayAccess:
    """What the embedded services show to their own gateway."""
    if control.client_ca is not None:
        raise ConfigError("the embedded services have no certificate of control.client_ca: leave it out here")
    ca = None if control.cert is None else read_small(control.cert)
    return GatewayAccess(first_token(control.grpc_token_file), ca)


@contextmanager
def _read_embedded(read_again: ReadAgain, certificate: Certificate, began: Config) -> Iterator[Config]:
    """Read what is written now, and embed in it what was embedded in what was written when the gateway ``began``.

    Raises ConfigError where that would be another choice: services and the certificate are embedded at a start alone.
    """
    with read_again() as written:
        if _names_certificate(written) is not _names_certificate(began):
            raise ConfigError(f"tls.cert and tls.key: whether quicgw dev {_CHOSEN}")
        missing = set(_not_named(written.upstream, began)) - set(_not_named(began.upstream, began))
        if missing:
            raise ConfigError(f"upstream.{min(missing)} names no instance any more: whether quicgw dev {_CHOSEN}")
        config = for_development(written)
        yield config if _names_certificate(began) else _with_certificate(config, certificate)


def _not_named(upstream: UpstreamConfig, began: Config) -> list[str]:
    """The services (or zones) that have no instance by configuration."""
    mode = MODES[began.routing.mode]
    configured = mode.configured(upstream)
    return [name for name in mode.services if not configured.get(name)]


def _names_certificate(config: Config) -> bool:
    return config.tls.cert is not None or config.tls.key is not None


def _with_certificate(config: Config, certificate: Certificate) -> Config:
    return config.model_copy(update={"tls": config.tls.model_copy(update={"cert": certificate.path})})
