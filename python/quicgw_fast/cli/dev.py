"""``quicgw dev``: a gateway with embedded services, for trying things out."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from quicgw_fast.cli import options

if TYPE_CHECKING:
    from quicgw_fast.cli.other_signals import OtherSignals
    from quicgw_fast.config import Config
    from quicgw_fast.reloading import Origin


def dev(
    config: options.Config = None,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
    log_level: options.LogLevel = None,
) -> None:
    """Run a gateway with embedded services until SIGTERM or Ctrl-C.

    Needs no configuration; listens on 127.0.0.1:8443 (QUIC), :8092 (gRPC) and :8080 (admin) unless told otherwise. The
    certificate is self-signed, made at the start and removed at the end; the log says where it is. Its private key is
    in memory alone. Values in --config override these defaults, and are read again when the file changes.
    """
    from functools import partial

    from quicgw_fast.cli.descriptors import raise_descriptor_limit
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.other_signals import OtherSignals
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.config import located
    from quicgw_fast.demo.embedded import for_development
    from quicgw_fast.observe import configure_logging
    from quicgw_fast.reloading import Origin

    flags = options.server_flags(quic, grpc, admin, fast=fast, log_level=log_level)
    read = partial(located, config, flags)
    with OtherSignals() as others, read() as settings:
        require_upb()
        configure_logging(settings.log)
        raise_descriptor_limit()
        options.log_advice(settings)
        run(_dev(for_development(settings), Origin(read, config), others))


async def _dev(config: Config, origin: Origin, others: OtherSignals) -> None:
    from quicgw_fast.cli.collector import spare_collections
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.demo.embedded import Certificate, embedded_gateway

    # The terminal that goes away takes what was tried out in it along.
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with Certificate() as certificate, Signals(at_once=certificate.remove, numbers=ends) as signals:
        async with embedded_gateway(config, certificate, signals.end, origin) as gateway:
            with others.following(user_1=gateway.log_numbers):
                spare_collections()
                await announce(gateway.addresses.ready_line())
                await signals.wait()
