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


def serve(
    config: options.Config = None,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
    log_level: options.LogLevel = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints one line "ready quic=HOST:PORT grpc=HOST:PORT admin=HOST:PORT" when everything listens. The first signal
    stops it: what was accepted is answered, clients are closed with DRAINING, exit status 0. The second one ends it at
    once. SIGHUP has it read its configuration, certificate and keys again, as quicgw reload does; SIGUSR1 has it log
    its numbers. The log goes to standard error. A service manager that set NOTIFY_SOCKET, as systemd does, is told of
    all that.
    """
    from quicgw_fast.cli.other_signals import OtherSignals

    # Flags and environment are over the file also when that is read again.
    with OtherSignals() as others:  # first of all: what is imported next takes most of the start
        _start(config, options.server_flags(quic, grpc, admin, fast=fast, log_level=log_level), others)


def _start(path: Path | None, flags: Mapping[str, Mapping[str, str]], others: OtherSignals) -> None:
    from quicgw_fast.cli.descriptors import raise_descriptor_limit
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.cli.service_manager import ServiceManager
    from quicgw_fast.config import located
    from quicgw_fast.observe import configure_logging
    from quicgw_fast.reloading import Origin

    manager = ServiceManager.of(os.environ)
    read = partial(located, path, flags)
    with read() as settings:
        require_upb()
        configure_logging(settings.log)
        raise_descriptor_limit()
        options.log_advice(settings)
        run(_serve(settings, Origin(manager.told_of(read), path), others, manager))


async def _serve(config: Config, origin: Origin, others: OtherSignals, manager: ServiceManager) -> None:
    from quicgw_fast.cli.collector import spare_collections
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.cli.spare_memory import giving_back
    from quicgw_fast.gateway import Gateway

    with Signals() as signals:
        gateway = Gateway(config, origin=origin, end=signals.end)
        hang_up = partial(gateway.reloader.ask, "SIGHUP")
        with others.following(hang_up=hang_up, user_1=gateway.log_numbers):
            async with manager.watching(), gateway, giving_back():
                spare_collections()
                manager.ready(gateway.addresses.ready_line())
                await announce(gateway.addresses.ready_line())
                await signals.wait()
                manager.stopping()
