"""``quicgw upstream``: the embedded services alone."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import one_of

if TYPE_CHECKING:
    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess


class Mode(StrEnum):
    """What the services are registered for: a ``routing.mode``, of those in ``upstream.routing.MODES``."""

    SERVICE = "service"
    ZONE = "zone"


def upstream(
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            "-m",
            metavar="service|zone",
            parser=one_of(Mode),
            help="The gateway's routing.mode: three services, or one per zone.",
        ),
    ] = Mode.SERVICE,
    zone: Annotated[
        list[str] | None,
        typer.Option("--zone", "-z", metavar="001…006", help="A zone to serve. Repeatable. Default: all six."),
    ] = None,
    ports: Annotated[
        str | None,
        typer.Option("--ports", metavar="A,B,C", help="One port per service or zone. Default: any free ports."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; the gateway must reach it.")
    ] = "127.0.0.1",
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Annotated[float, Seconds("--timeout", default="30s", help="How long to wait for the gateway.")] = 30.0,
) -> None:
    """Run the embedded services until SIGTERM or Ctrl-C, registered with a gateway.

    Prints one line "ready NAME=HOST:PORT …" when all are registered. They register again with a gateway that was
    restarted.
    """
    from quicgw_fast.cli.descriptors import raise_descriptor_limit
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.config import LogConfig
    from quicgw_fast.observe import configure_logging

    access = options.gateway_access(token_file, ca, cert, key)
    names = _names(mode, zone)
    numbers = _ports(ports, len(names))
    configure_logging(LogConfig())
    raise_descriptor_limit()
    run(_serve(gateway, access, mode, names, numbers, host, timeout))


def _names(mode: Mode, zone: list[str] | None) -> tuple[str, ...]:
    from quicgw_fast.upstream.routing import MODES

    known = MODES[mode].services
    if not zone:
        return known
    if mode is not Mode.ZONE:
        raise typer.BadParameter("needs --mode zone", param_hint="--zone")
    for name in zone:
        if name not in known:
            raise typer.BadParameter(
                f"{name!r} is an unknown zone; choose from {', '.join(known)}", param_hint="--zone"
            )
    if len(set(zone)) < len(zone):
        raise typer.BadParameter("names a zone twice", param_hint="--zone")
    return tuple(zone)


def _ports(text: str | None, count: int) -> list[int]:
    if text is None:
        return [0] * count
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) <= 65535 for part in parts):
        raise typer.BadParameter(f"{text!r} is not a list of ports; write A,B,C", param_hint="--ports")
    if len(parts) != count:
        raise typer.BadParameter(f"names {len(parts)} ports for {count} services", param_hint="--ports")
    return [int(part) for part in parts]


async def _serve(
    gateway: str,
    access: GatewayAccess,
    mode: Mode,
    names: tuple[str, ...],
    ports: list[int],
    host: str,
    timeout: float,
) -> None:
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.cli.statuses import Interrupted
    from quicgw_fast.demo.services import start_services
    from quicgw_fast.upstream.routing import MODES

    with Signals() as signals:
        services = await start_services(gateway, ports, access=access, names=names, host=host)
        try:
            await signals.unless(services.register(gateway, MODES[mode], access=access, timeout=timeout))
            await announce("ready " + " ".join(f"{name}={address}" for name, address in services.addresses.items()))
            await signals.wait()
        except Interrupted:
            return
        finally:
            await services.stop(grace=1.0)
