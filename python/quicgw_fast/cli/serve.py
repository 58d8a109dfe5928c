"""``quicgw serve``: the gateway by a configuration file."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quicgw_fast.cli.other_signals import OtherSignals
    from quicgw_fast.cli.service_manager import ServiceManager
    from quicgw_fast.config import Config
    from quicgw_fast.reloading import Origin
    from quicgw_fast.workers import Seat


def serve(
    config: options.Config = None,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
    log_level: options.LogLevel = None,
    workers: options.Workers = None,
    seat: options.Seat = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints one line "ready quic=HOST:PORT grpc=HOST:PORT admin=HOST:PORT" when everything listens. The first signal
    stops it: what was accepted is answered, clients are closed with DRAINING, exit status 0. The second one ends it at
    once. SIGHUP has it read its configuration, certificate and keys again, as quicgw reload does; SIGUSR1 has it log
    its numbers. With --workers all of that goes for each of them; the admin address is that of the first, and one that
    ends by itself is started again. The log goes to standard error. A service manager that set NOTIFY_SOCKET, as
    systemd does, is told of all that.
    """
    from quicgw_fast.cli.other_signals import OtherSignals

    # Flags and environment are over the file also when that is read again.
    with OtherSignals() as others:  # first of all: what is imported next takes most of the start
        flags = options.server_flags(quic, grpc, admin, fast=fast, log_level=log_level)
        if workers is not None:
            flags["server"]["workers"] = str(workers)
        _start(config, flags, others, seat)


def _start(path: Path | None, flags: Mapping[str, Mapping[str, str]], others: OtherSignals, seat: str | None) -> None:
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
    read = partial(located, path, flags)
    with read() as settings:
        require_upb()
        configure_logging(settings.log, **place.told())
        raise_descriptor_limit()
        if settings.server.workers > 1 and not place.shared:
            options.log_advice(settings)
            run(supervise(settings, worker_command("serve", path, flags), others, manager))
            return
        if not place.index:  # the others have nothing else to say
            options.log_advice(settings)
        run(_serve(settings, Origin(manager.told_of(read), path), others, manager, place))


async def _serve(config: Config, origin: Origin, others: OtherSignals, manager: ServiceManager, seat: Seat) -> None:
    from quicgw_fast.cli.collector import spare_collections
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.cli.spare_memory import giving_back
    from quicgw_fast.gateway import Gateway
    from quicgw_fast.workers import SupervisorLine

    with Signals() as signals, SupervisorLine(seat, signals.end) as line:
        gateway = Gateway(config, origin=origin, end=line.ask_for_end, seat=seat, admin_ports=line.admin_ports)
        hang_up = partial(gateway.reloader.ask, "SIGHUP")
        with others.following(hang_up=hang_up, user_1=gateway.log_numbers):
            async with manager.watching(), gateway, giving_back():
                spare_collections()
                manager.ready(gateway.addresses.ready_line())
                await announce(gateway.addresses.ready_line())
                await signals.wait()
                manager.stopping()
