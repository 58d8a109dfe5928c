"""``quicgw demo``: see what a gateway does."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from quicgw_fast.cli import options  # noqa: TC001 - typer reads annotations while it runs


def demo(
    clients: Annotated[int, typer.Option("--clients", metavar="N", min=2, max=200, help="QUIC clients.")] = 20,
    requests: Annotated[
        int, typer.Option("--requests", metavar="N", min=1, max=100_000, help="Requests, all clients together.")
    ] = 1000,
    fast: options.Fast = False,
) -> None:
    """Start a gateway with its services, connect real clients, show and check what happens.

    Everything is real: QUIC, TLS, gRPC, in one process on free ports of 127.0.0.1. What is shown is checked from the
    messages that went over the wire. Exit status 0: every check held. 1: some did not, and are printed.
    """
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.compiled import is_wanted
    from quicgw_fast.demo.tour.run import Scale, run_demo

    require_upb()
    raise typer.Exit(run(run_demo(Scale(clients, requests, fast or is_wanted(os.environ)))))
