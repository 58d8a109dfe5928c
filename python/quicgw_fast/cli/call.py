"""``quicgw call``: one request as a client."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import content, file_path, pairs, peer_address, plain


def _actions(incomplete: str) -> list[str]:
    """What a shell completes: what was called from the prompt of quicgw repl."""
    from quicgw_fast.cli.repl.history import known_actions

    return sorted(action for action in known_actions() if action.startswith(incomplete))


_ACTION_HELP = "The action to call, for example echo, time or sleep."
Action = Annotated[str, typer.Argument(callback=plain, autocompletion=_actions, help=_ACTION_HELP)]
Params = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter. Repeatable.")
]
Data = Annotated[str, typer.Option("--data", "-d", metavar="TEXT|@FILE", help="Request body; @- reads standard input.")]
Headers = Annotated[list[str] | None, typer.Option("--header", "-H", metavar="KEY=VALUE", help="A header. Repeatable.")]
Server = Annotated[
    str,
    typer.Option("--server", "-s", metavar=options.ADDRESS, callback=peer_address, help="The gateway's QUIC address."),
]
_OPENID_HELP = "Who calls. Default: the token's subject, else a random name."
Openid = Annotated[str | None, typer.Option("--openid", "-o", metavar="ID", callback=plain, help=_OPENID_HELP)]
_TOKEN_HELP = 'Signed token, which a gateway with auth.mode = "jwt" needs (see gentoken).'
Token = Annotated[
    str, typer.Option("--token", metavar="TOKEN", envvar="QUICGW_TOKEN", help=_TOKEN_HELP, show_default=False)
]
_CA_HELP = "PEM file of the certificate authority to trust."
Ca = Annotated[Path | None, typer.Option("--ca", metavar="FILE", callback=file_path, help=_CA_HELP)]
Insecure = Annotated[bool, typer.Option("--insecure", "-k", metavar="", help="Accept any certificate; for tests only.")]
Timeout = Annotated[float, Seconds("--timeout", "-t", default="30s", help="How long to wait for the answer.")]
ConnectTimeout = Annotated[
    float | None,
    Seconds("--connect-timeout", default="10s, at most --timeout", help="How long connecting and logging in may take."),
]
Fast = Annotated[bool, typer.Option("--fast", help="Do QUIC by the compiled part; the same as QUICGW_FAST=1.")]
_WAIT_HELP = "How long to wait for notifies after the answer."
Wait = Annotated[float, Seconds("--wait", "-w", default="200ms", zero=True, help=_WAIT_HELP)]


def call(
    action: Action,
    param: Params = None,
    data: Data = "",
    header: Headers = None,
    server: Server = "127.0.0.1:8443",
    openid: Openid = None,
    token: Token = "",
    ca: Ca = None,
    insecure: Insecure = False,
    timeout: Timeout = 30.0,
    connect_timeout: ConnectTimeout = None,
    wait: Wait = 0.2,
    json: options.Json = False,
    fast: Fast = False,
) -> None:
    """Log in, send one request, print the answer and every notify, in the order of their numbers.

    Exit status 0: answered with code 200. 1: answered with an error, or not in time. 3: no connection, or a file that
    cannot be read. Calling hello is the login itself, which is sent again, within --connect-timeout, when it is
    answered 429, 503 or 504. No other request is sent again after a 503.
    """
    from quicgw_fast.cli.calling import CONNECT_TIMEOUT, Caller, Wish
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.compiled import PARTS

    if not action:
        raise typer.BadParameter("must not be empty", param_hint="ACTION")
    if openid == "":
        raise typer.BadParameter("must not be empty", param_hint="--openid")
    if ca is not None and insecure:
        raise typer.BadParameter("cannot be combined with --insecure", param_hint="--ca")
    named = pairs(param or (), "--param"), pairs(header or (), "--header")
    with options.failures_as_json(json):
        wish = Wish(action, named[0], content(data, "--data"), named[1], timeout, wait)
        within = min(CONNECT_TIMEOUT, timeout) if connect_timeout is None else connect_timeout
        transport = PARTS["server"]["transport"] if fast else None
        caller = Caller(server, who("call", openid, token), token, ca, insecure, within, transport)
        raise typer.Exit(run(caller.call(wish, as_json=json)))


def who(command: str, openid: str | None, token: str) -> str:
    """Choose the openid of a ``command``: one of its own by default, so that two at once do not share a session."""
    from quicgw_fast.cli.own_token import subject_of

    subject = subject_of(token)
    if openid is None:
        return subject or f"quicgw-{command}-{secrets.token_hex(4)}"
    if subject is not None and subject != openid:
        said = f"the token is for {subject[:64]!r} (claim sub), --openid is {openid[:64]!r}: a gateway will refuse that"
        print(f"quicgw: {said}", file=sys.stderr)
    return openid
