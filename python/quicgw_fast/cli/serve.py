"""``quicgw serve``: the gateway by a configuration file."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from quicgw_fast.cli.other_signals import OtherSignals
    from quicgw_fast.cli.service_manager import ServiceManager
    from quicgw_fast.config import Config
    from quicgw_fast.reloading import Origin
    from quicgw_fast.upgrading import Estate, Heritage
    from quicgw_fast.workers import Seat

HiddenEstate = Annotated[
    str | None, typer.Option("--estate", hidden=True, help="What a successor takes over, from its predecessor.")
]


def serve(
    config: options.Config = None,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
    log_level: options.LogLevel = None,
    workers: options.Workers = None,
    seat: options.Seat = None,
    estate: HiddenEstate = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints one line "ready quic=HOST:PORT grpc=HOST:PORT admin=HOST:PORT" when everything listens. The first signal
    stops it: what was accepted is answered, clients are closed with DRAINING, exit status 0. The second one ends it at
    once. SIGHUP has it read its configuration, certificate and keys again, as quicgw reload does; SIGUSR1 has it log
    its numbers; SIGUSR2 has a new process take over, as quicgw upgrade does. With --workers the first three go for each
    of them; the admin address is that of the first, and one that ends by itself is started again. The log goes to
    standard error. A service manager that set NOTIFY_SOCKET, as systemd does, is told of all that.
    """
    from quicgw_fast.cli.other_signals import OtherSignals

    # Flags and environment are over the file also when that is read again.
    with OtherSignals() as others:  # first of all: what is imported next takes most of the start
        flags = options.server_flags(quic, grpc, admin, fast=fast, log_level=log_level)
        if workers is not None:
            flags["server"]["workers"] = str(workers)
        with _told_predecessor(estate) as inherited:
            _start(config, flags, others, seat, inherited)


@contextlib.contextmanager
def _told_predecessor(estate: str | None) -> Iterator[Estate | None]:
    """Read the estate; a predecessor that waits is told why this process does not start."""
    if estate is None:
        yield None
        return
    from quicgw_fast.errors import GatewayError
    from quicgw_fast.upgrading import Estate, refuse

    inherited = Estate.parse(estate)
    try:
        yield inherited
    except GatewayError as error:
        refuse(inherited.line, str(error))
        raise


def _start(
    path: Path | None,
    flags: Mapping[str, Mapping[str, str]],
    others: OtherSignals,
    seat: str | None,
    estate: Estate | None,
) -> None:
    from quicgw_fast.cli.descriptors import raise_descriptor_limit
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.cli.service_manager import ServiceManager
    from quicgw_fast.cli.supervising import supervise, worker_command
    from quicgw_fast.config import located
    from quicgw_fast.observe import configure_logging
    from quicgw_fast.reloading import Origin
    from quicgw_fast.workers import ALONE, Seat

    manager = ServiceManager.of(os.environ)
    place = ALONE if seat is None else Seat.parse(seat)
    read, command = partial(located, path, flags), worker_command("serve", path, flags)
    with read() as settings:
        require_upb()
        configure_logging(settings.log, **place.told())
        raise_descriptor_limit()
        if settings.server.workers > 1 and not place.shared:
            options.log_advice(settings)
            run(supervise(settings, command, others, manager))
            return
        if not place.index:  # the others have nothing else to say
            options.log_advice(settings)
        run(_serve(settings, Origin(manager.told_of(read), path), others, manager, place, command, estate))


async def _serve(
    config: Config,
    origin: Origin,
    others: OtherSignals,
    manager: ServiceManager,
    seat: Seat,
    command: Sequence[str],
    estate: Estate | None,
) -> None:
    from quicgw_fast.cli.collector import spare_collections
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.cli.spare_memory import giving_back
    from quicgw_fast.gateway import Gateway
    from quicgw_fast.workers import SupervisorLine

    if estate is not None:
        manager.wait_for_turn()
    with Signals() as signals, SupervisorLine(seat, signals.end) as line:
        heritage = await _heritage(config, seat, command, estate, signals.end, manager)
        with contextlib.nullcontext() if heritage is None else contextlib.closing(heritage.ports):
            end, ports = line.ask_for_end, line.admin_ports
            gateway = Gateway(config, origin=origin, end=end, seat=seat, admin_ports=ports, heritage=heritage)
            hang_up, user_2 = partial(gateway.reloader.ask, "SIGHUP"), gateway.ask_for_upgrade
            with others.following(hang_up=hang_up, user_1=gateway.log_numbers, user_2=user_2):
                async with manager.watching(), gateway, giving_back():
                    spare_collections()
                    manager.ready(gateway.addresses.ready_line())
                    await announce(gateway.addresses.ready_line())
                    await signals.wait()
                    manager.stopping()


async def _heritage(
    config: Config,
    seat: Seat,
    command: Sequence[str],
    estate: Estate | None,
    end: Callable[[], None],
    manager: ServiceManager,
) -> Heritage | None:
    """What goes from process to process; None where none can follow this one."""
    from quicgw_fast.errors import ConfigError
    from quicgw_fast.upgrading import HeldPorts, Heritage, spawner

    if config.cluster.url is not None or seat.shared or sys.platform != "linux":
        if estate is not None:
            raise ConfigError("cluster.url needs a restart: a node of a cluster takes nothing over")
        return None
    ports = await HeldPorts.open(config.server) if estate is None else HeldPorts.inherited(estate, config.server)
    return Heritage(os.getpid(), ports, spawner(command), end, manager.take_turn, manager.give_way, estate)
