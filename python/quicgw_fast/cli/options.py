"""Options that several commands have; bad values exit with 2."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import duration, duration_or_none, file_path, listen_address, peer_address
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast import config

ADDRESS = "HOST:PORT"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", callback=file_path, help="TOML file. QUICGW_… variables override it."
    ),
]
Quic = Annotated[
    str | None,
    typer.Option(
        "--quic", metavar=ADDRESS, callback=listen_address, help="UDP address for clients; port 0 takes any free one."
    ),
]
Fast = Annotated[
    bool,
    typer.Option("--fast", help="Use all compiled parts; as QUICGW_FAST=1, but stronger than all other settings."),
]
Grpc = Annotated[
    str | None,
    typer.Option(
        "--grpc", metavar=ADDRESS, callback=listen_address, help="gRPC address for services; port 0 takes any free one."
    ),
]
Admin = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar=ADDRESS,
        callback=listen_address,
        help="HTTP address for operators (/healthz, /readyz, /stats).",
    ),
]
Gateway = Annotated[
    str,
    typer.Option("--gateway", "-g", metavar=ADDRESS, callback=peer_address, help="The gateway's gRPC address."),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object per line.")]
GATEWAY_DEFAULT = "127.0.0.1:8092"


def Seconds(name: str, letter: str = "", *, help: str, default: str, zero: bool = False) -> typer.models.OptionInfo:  # noqa: N802 - as typer.Option
    """Make an option for a duration such as 250ms, 30s or 5m; ``default`` is how help writes it."""
    names = [name, letter] if letter else [name]
    parser = duration_or_none if zero else duration
    return typer.Option(*names, metavar="TIME", parser=parser, help=help, show_default=default)  # type: ignore[no-any-return]


def server_flags(
    quic: str | None, grpc: str | None, admin: str | None, *, fast: bool = False
) -> dict[str, dict[str, str]]:
    """Return the flags that were given in the form that ``config.load`` takes."""
    from quicgw_fast.config.fast import COMPILED

    flags = {name: dict(table) for name, table in COMPILED.items()} if fast else {}
    given = {"quic": quic, "grpc": grpc, "admin": admin}
    flags.setdefault("server", {}).update({name: value for name, value in given.items() if value is not None})
    return flags


@contextmanager
def failures_as_json(wanted: bool) -> Iterator[None]:
    """Print what cannot be done as an object of kind error where --json asks for objects, and exit as always."""
    try:
        yield
    except StartupError as error:
        if not wanted:
            raise
        from quicgw_fast.cli.printing import nobody_answered, say_json

        say_json("error", {**nobody_answered(str(error)), "status": Status.FAILED})
        raise typer.Exit(Status.FAILED) from None


def log_advice(settings: config.Config) -> None:
    """Log what of the configuration has no effect."""
    from quicgw_fast.config import advice

    for told in advice(settings):
        logging.getLogger("quicgw.config").warning("check the configuration", extra={"advice": told})
