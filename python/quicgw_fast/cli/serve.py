"""``quicgw serve``: the gateway by a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.cli import options

if TYPE_CHECKING:
    from quicgw_fast.config import Config


def serve(
    config: options.Config = None,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints one line "ready quic=HOST:PORT grpc=HOST:PORT admin=HOST:PORT" when everything listens. The first signal
    stops it: what was accepted is answered, clients are closed with DRAINING, exit status 0. The second one ends it at
    once. The log goes to standard error.
    """
    from quicgw_fast.cli.descriptors import raise_descriptor_limit
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.config import located
    from quicgw_fast.observe import configure_logging

    with located(config, options.server_flags(quic, grpc, admin, fast=fast)) as settings:
        require_upb()
        configure_logging(settings.log)
        raise_descriptor_limit()
        options.log_advice(settings)
        run(_serve(settings))


async def _serve(config: Config) -> None:
    from quicgw_fast.cli.collector import spare_collections
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.cli.spare_memory import giving_back
    from quicgw_fast.gateway import Gateway

    with Signals() as signals:
        async with Gateway(config) as gateway, giving_back():
            spare_collections()
            await announce(gateway.addresses.ready_line())
            await signals.wait()
