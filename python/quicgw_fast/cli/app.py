"""The commands and what they have in common."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli.bench import bench
from quicgw_fast.cli.call import call
from quicgw_fast.cli.demo import demo
from quicgw_fast.cli.dev import dev
from quicgw_fast.cli.gentoken import gentoken
from quicgw_fast.cli.push import push
from quicgw_fast.cli.reload import reload
from quicgw_fast.cli.serve import serve
from quicgw_fast.cli.text import examples, help_of, narrow
from quicgw_fast.cli.upstream import upstream
from quicgw_fast.cli.version import version, version_line

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="quicgw",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


NARROW = 70
"""Columns of a terminal in which tables with borders leave no room for words."""


def fit_to_terminal(whole: typer.Typer) -> None:
    """Write help and mistakes of usage as plain paragraphs where the terminal is too narrow for tables."""
    columns = shutil.get_terminal_size().columns
    if columns >= NARROW:
        return
    groups = [whole, *(group.typer_instance for group in whole.registered_groups if group.typer_instance)]
    for group in groups:
        group.rich_markup_mode = None
        group.info.context_settings = {**SETTINGS, "terminal_width": columns}
        for one in (group.registered_callback, *group.registered_commands):
            if one is not None and isinstance(one.epilog, str):
                one.epilog = narrow(one.epilog)


def _add(command: Callable[..., None], *lines: str) -> None:
    app.command(help=help_of(command), epilog=examples(*lines))(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_line())
        raise typer.Exit


@app.callback(
    epilog=examples(
        "quicgw demo                                 see what a gateway does",
        "quicgw dev                                  a gateway to try things out on",
        "quicgw call echo --data hello --insecure    one request to it",
        "quicgw serve --config gateway.toml          the real thing",
    )
)
def quicgw(
    show_version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version and what runs."),
    ] = False,
) -> None:
    """A QUIC access gateway: sessions, strict order and resume in front of gRPC services."""


_add(
    serve,
    "quicgw serve --config gateway.toml",
    "quicgw serve -c gateway.toml --quic 127.0.0.1:0 --admin 127.0.0.1:9000",
    "QUICGW_SESSION__TIMEOUT=1m quicgw serve --config gateway.toml",
)
_add(
    dev,
    "quicgw dev",
    "quicgw dev --quic 127.0.0.1:0 --grpc 127.0.0.1:0 --admin 127.0.0.1:0",
    "quicgw dev --config limits.toml",
)
_add(
    reload,
    "quicgw reload --config gateway.toml",
    "quicgw reload --admin 127.0.0.1:9000 --json",
)
_add(
    call,
    "quicgw call echo --data hello --insecure",
    "quicgw call calculate -p op=add -p a=1 -p b=2 --ca dev-cert.pem",
    "quicgw call after -p count=3 --openid alice --wait 1s --insecure --json",
    "quicgw call business_msg --data @message.bin --server gateway.example:8443",
)
_add(
    upstream,
    "quicgw upstream --gateway 127.0.0.1:8092",
    "quicgw upstream --mode zone --zone 001 --zone 002 --ports 9001,9002",
)
app.add_typer(push, name="push")
_add(
    gentoken,
    "quicgw gentoken alice --key secret.key --ttl 8h",
    "quicgw gentoken alice --new-key keys --algorithm EdDSA --audience game",
)
_add(
    bench,
    "quicgw bench --insecure --pid 4711",
    "quicgw bench 127.0.0.1:8443 -k --sessions 200 --in-flight 2 --duration 30s --json > run.json",
    "quicgw bench -k --rate 5000 --action echo=9 --action time --payload 128=3 --payload 4KiB --compare run.json",
    "quicgw bench -k --sessions 20 --action before --action after --param count=2",
)
_add(demo, "quicgw demo", "quicgw demo --clients 50 --requests 5000 --fast")
_add(version, "quicgw version", "QUICGW_FAST=1 quicgw version")
