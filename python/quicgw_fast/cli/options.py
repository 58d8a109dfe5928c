"""Options that several commands have; bad values exit with 2."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli.text import duration, duration_or_none, listen_address, peer_address

if TYPE_CHECKING:
    from quicgw_fast import config

ADDRESS = "HOST:PORT"

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file. QUICGW_… variables override it.")
]
Quic = Annotated[
    str | None,
    typer.Option("--quic", metavar=ADDRESS, callback=listen_address, help="UDP address for clients. Port 0: any."),
]
Grpc = Annotated[
    str | None,
    typer.Option("--grpc", metavar=ADDRESS, callback=listen_address, help="Address for services. Port 0: any."),
]
Admin = Annotated[
    str | None,
    typer.Option("--admin", metavar=ADDRESS, callback=listen_address, help="HTTP address for /healthz, /stats."),
]
Gateway = Annotated[
    str,
    typer.Option("--gateway", "-g", metavar=ADDRESS, callback=peer_address, help="The gateway's gRPC address."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
GATEWAY_DEFAULT = "127.0.0.1:8092"


def Seconds(name: str, letter: str = "", *, help: str, default: str, zero: bool = False) -> typer.models.OptionInfo:  # noqa: N802, A002 - as typer.Option
    """Make an option for a duration such as 250ms, 30s or 5m; ``default`` is how help writes it."""
    names = [name, letter] if letter else [name]
    parser = duration_or_none if zero else duration
    return typer.Option(*names, metavar="TIME", parser=parser, help=help, show_default=default)  # type: ignore[no-any-return]


def server_flags(quic: str | None, grpc: str | None, admin: str | None) -> dict[str, dict[str, str]]:
    """Return the flags that were given in the form that ``config.load`` takes."""
    given = {"quic": quic, "grpc": grpc, "admin": admin}
    return {"server": {name: value for name, value in given.items() if value is not None}}


def log_advice(settings: config.Config) -> None:
    """Log what of the configuration has no effect."""
    from quicgw_fast.config import advice

    for told in advice(settings):
        logging.getLogger("quicgw.config").warning("%s", told)
