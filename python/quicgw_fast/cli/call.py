"""``quicgw call``: one request as a client."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer resolves the annotation
from typing import Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import content, pairs, peer_address


def call(
    action: Annotated[str, typer.Argument(help="What is asked for, for example echo, time or sleep.")],
    param: Annotated[list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="Repeatable.")] = None,
    data: Annotated[str, typer.Option("--data", "-d", metavar="TEXT|@FILE", help="@- is standard input.")] = "",
    header: Annotated[list[str] | None, typer.Option("--header", "-H", metavar="KEY=VALUE", help="Repeatable.")] = None,
    server: Annotated[
        str, typer.Option("--server", "-s", metavar=options.ADDRESS, callback=peer_address, help="QUIC address.")
    ] = "127.0.0.1:8443",
    openid: Annotated[str, typer.Option("--openid", "-o", metavar="ID", help="Who calls.")] = "quicgw-call",
    token: Annotated[
        str, typer.Option("--token", metavar="TOKEN", envvar="QUICGW_TOKEN", help="See gentoken.", show_default=False)
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", exists=True, dir_okay=False, help="PEM file with the authority to trust."),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", "-k", help="Accept any certificate.")] = False,
    timeout: Annotated[float, Seconds("--timeout", "-t", default="30s", help="For the answer.")] = 30.0,
    wait: Annotated[
        float, Seconds("--wait", "-w", default="200ms", zero=True, help="For notifies that come after the answer.")
    ] = 0.2,
    json: options.Json = False,
) -> None:
    """Log in, send one request, print the answer and every notify, in the order of their numbers.

    Exit status 0: answered with code 200. 1: answered with an error, or not in time. 3: no connection. The action
    hello is the login itself.
    """
    from quicgw_fast.cli.calling import Caller, Wish
    from quicgw_fast.cli.running import run

    if not action:
        raise typer.BadParameter("must not be empty", param_hint="ACTION")
    if not openid:
        raise typer.BadParameter("must not be empty", param_hint="--openid")
    if ca is not None and insecure:
        raise typer.BadParameter("goes without --insecure: one trusts somebody, the other anybody", param_hint="--ca")
    wish = Wish(
        action=action,
        params=pairs(param or (), "--param"),
        data=content(data, "--data"),
        headers=pairs(header or (), "--header"),
        timeout=timeout,
        wait=wait,
    )
    caller = Caller(server, openid, token, ca, insecure)
    raise typer.Exit(run(caller.call(wish, as_json=json)))
