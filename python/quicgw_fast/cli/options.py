"""Options that several commands have; bad values exit with 2."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import (
    duration,
    duration_or_none,
    file_path,
    listen_address,
    peer_address,
    peer_address_or_none,
)
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast import config
    from quicgw_fast.cli.asking import AdminPages
    from quicgw_fast.upstream.grpcio import gateway_client

ADDRESS = "HOST:PORT"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", callback=file_path, help="TOML file. QUICGW_… variables override it."
    ),
]
LongConfig = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", callback=file_path, help="TOML file. QUICGW_… variables override it."),
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
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        help="What is logged at least (debug, info, warning, error); over log.level of --config, also at a reload.",
    ),
]
Gateway = Annotated[
    str,
    typer.Option("--gateway", "-g", metavar=ADDRESS, callback=peer_address, help="The gateway's gRPC address."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        callback=file_path,
        help="A token of the gateway's control.grpc_token_file; the first line that is one.",
    ),
]
AdminTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        callback=file_path,
        help="A token of the gateway's control.admin_token_file; unless it is given, that file of --config.",
    ),
]
AdminAddress = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar=ADDRESS,
        callback=peer_address_or_none,
        help="The gateway's admin address; unless it is given, server.admin of --config.",
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", callback=file_path, help="PEM of who signed the gateway's control.cert: TLS."),
]
Cert = Annotated[
    Path | None,
    typer.Option("--cert", metavar="FILE", callback=file_path, help="PEM of an own certificate, with --key."),
]
Key = Annotated[Path | None, typer.Option("--key", metavar="FILE", callback=file_path, help="PEM of its private key.")]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object per line.")]
JsonObject = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object, with all there is.")]
GATEWAY_DEFAULT = "127.0.0.1:8092"


Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=64, metavar="N", help="Processes that share the ports; over server.workers."),
]
Seat = Annotated[str | None, typer.Option("--seat", hidden=True, help="The place of a worker, from its starter.")]


def Seconds(name: str, letter: str = "", *, help: str, default: str, zero: bool = False) -> typer.models.OptionInfo:  # noqa: N802 - as typer.Option
    """Make an option for a duration such as 250ms, 30s or 5m; ``default`` is how help writes it."""
    names = [name, letter] if letter else [name]
    parser = duration_or_none if zero else duration
    return typer.Option(*names, metavar="TIME", parser=parser, help=help, show_default=default)  # type: ignore[no-any-return]


Here = Annotated[
    bool, typer.Option("--here", metavar="", help="Of the gateway that is asked alone, not of its whole cluster.")
]
AnswerTimeout = Annotated[
    float, Seconds("--timeout", "-t", default="5s", help="How long to wait for the gateway's answer.")
]


def scope(*, here: bool) -> dict[str, str]:
    """Return what a page is asked with besides; nothing that an older gateway does not know, unless it is wanted."""
    return {"scope": "node"} if here else {}


def server_flags(
    quic: str | None, grpc: str | None, admin: str | None, *, fast: bool = False, log_level: str | None = None
) -> dict[str, dict[str, str]]:
    """Return the flags that were given in the form that ``config.load`` takes."""
    from quicgw_fast.compiled import PARTS

    flags = {name: dict(table) for name, table in PARTS.items()} if fast else {}
    given = {"quic": quic, "grpc": grpc, "admin": admin}
    flags.setdefault("server", {}).update({name: value for name, value in given.items() if value is not None})
    if log_level is not None:
        flags["log"] = {"level": log_level}
    return flags


def gateway_access(
    token_file: Path | None, ca: Path | None, cert: Path | None, key: Path | None
) -> gateway_client.GatewayAccess:
    """Read what is shown to a gateway's gRPC port. Raises StartupError for a file, and BadParameter for half a pair."""
    from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess

    if (cert is None) != (key is None):
        raise typer.BadParameter("--cert and --key go together", param_hint="--cert" if key is None else "--key")
    if cert is not None and ca is None:
        raise typer.BadParameter("is shown over TLS alone: give --ca, too", param_hint="--cert")
    return GatewayAccess(token(token_file), _content(ca), _content(cert), _content(key))


def _content(path: Path | None) -> bytes | None:
    from quicgw_fast.config import read_small

    try:
        return None if path is None else read_small(path)
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror or error}") from error


def token(path: Path | None) -> str | None:
    """Read the token that is shown to a gateway; raises StartupError."""
    from quicgw_fast.control.tokens import first_token

    try:
        return first_token(path)
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise StartupError(f"{path}: {error}") from error


def admin_pages(admin: str | None, config: Path | None, token_file: Path | None, timeout: float) -> AdminPages:
    """Find out whom to ask, and with which token: flags go before the configuration. Raises StartupError."""
    from quicgw_fast.cli.asking import AdminPages

    settings = _read_to_ask(config)
    shown = token(token_file or settings.control.admin_token_file)
    return AdminPages(admin or settings.server.admin, shown, timeout)


def _read_to_ask(path: Path | None) -> config.Config:
    """A mistake elsewhere in the file must keep nobody from asking the gateway, as it may be what shall be mended."""
    from quicgw_fast.config import BadConfigError, read, read_to_ask

    try:
        return read(path)
    except BadConfigError:
        settings = read_to_ask(path)
    where = "the variables QUICGW_…" if path is None else str(path)
    told = "as quicgw checkconfig tells; how to ask the gateway can be read"
    print(f"quicgw: there are mistakes in {where}, {told}", file=sys.stderr)
    return settings


@contextmanager
def failures_as_json(wanted: bool) -> Iterator[None]:
    """Print what cannot be done as an object of kind error where --json asks for objects, and exit as always."""
    try:
        yield
    except StartupError as error:
        if not wanted:
            raise
        from quicgw_fast.cli.failing import say_failure

        say_failure(Status.FAILED, "FAILED", str(error))
        raise typer.Exit(Status.FAILED) from None


def log_advice(settings: config.Config) -> None:
    """Log what of the configuration has no effect."""
    from quicgw_fast.config import advice

    for told in advice(settings):
        logging.getLogger("quicgw.config").warning("check the configuration", extra={"explanation": told})
