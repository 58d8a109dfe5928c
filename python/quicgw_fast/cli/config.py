"""``quicgw config``: the values that count, and where each comes from."""

from __future__ import annotations

import json as json_module
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.text import one_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.config import Config
    from quicgw_fast.config.effective import Effective


class Printed(StrEnum):
    """What is to be printed."""

    SHOW = "show"
    SCHEMA = "schema"


def config(
    what: Annotated[
        Printed, typer.Argument(metavar="[show|schema]", parser=one_of(Printed), help="As --show and --schema.")
    ] = Printed.SHOW,
    file: options.Config = None,
    show: Annotated[bool, typer.Option("--show", help="Print every value; unless told otherwise.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file, for editors.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Leave out what is the default.")] = False,
    quic: options.Quic = None,
    grpc: options.Grpc = None,
    admin: options.Admin = None,
    fast: options.Fast = False,
    log_level: options.LogLevel = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Print the values with which a gateway would start here, each with where it comes from.

    That is the file, a variable of the environment, the command line, or the default. What is printed is a
    configuration itself. Passwords in addresses are hidden; other secrets are never settings, but in files that
    settings name. Exit status 3: the configuration cannot be used; quicgw checkconfig says more.
    """
    if show and schema:
        raise typer.BadParameter("give one of them", param_hint="--show, --schema")
    if schema or (what is Printed.SCHEMA and not show):
        from quicgw_fast.config.schema import json_schema

        print(json_module.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    from quicgw_fast.config import effective_report, load

    with options.failures_as_json(json):
        settings = load(file, options.server_flags(quic, grpc, admin, fast=fast, log_level=log_level))
        if json:
            print(json_module.dumps(effective_report(settings, changed=changed)))
        else:
            print("\n".join(_lines(settings, changed=changed)))


def _lines(settings: Config, *, changed: bool) -> Iterator[str]:
    """One table after the other; what is not set is a comment."""
    from quicgw_fast.config import effective

    shown = [one for one in effective(settings) if one.changed or not changed]
    if not shown:
        yield "# every key has its default"
    written = {one.setting.key: _pair(one) for one in shown}
    widest = min(max(map(len, written.values()), default=0), _WIDEST)
    table = ""
    for one in shown:
        if one.setting.table != table:
            yield f"[{one.setting.table}]" if not table else f"\n[{one.setting.table}]"
            table = one.setting.table
        yield f"{written[one.setting.key].ljust(widest)}  # {one.place.short}"


def _pair(one: Effective) -> str:
    from quicgw_fast.config.toml import toml

    return f"# {one.setting.name}" if one.value is None else f"{one.setting.name} = {toml(one.value)}"


_WIDEST = 60
"""Columns behind which the places stand; what is longer pushes its own away."""
