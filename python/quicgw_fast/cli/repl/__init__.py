"""``quicgw repl``: a client to talk with."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from quicgw_fast.cli import call, options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import peer_address

Address = Annotated[
    str, typer.Argument(metavar="[ADDRESS]", callback=peer_address, help="The gateway's QUIC address, HOST:PORT.")
]
_WAIT_HELP = "How long to wait for notifies behind the last line of a script."


def repl(
    address: Address = "127.0.0.1:8443",
    openid: call.Openid = None,
    token: call.Token = "",
    ca: call.Ca = None,
    insecure: call.Insecure = False,
    timeout: Annotated[float, Seconds("--timeout", "-t", default="30s", help="How long to wait for an answer.")] = 30.0,
    connect_timeout: call.ConnectTimeout = None,
    wait: Annotated[float, Seconds("--wait", "-w", default="200ms", zero=True, help=_WAIT_HELP)] = 0.2,
    json: options.Json = False,
    fast: call.Fast = False,
) -> None:
    """Log in and talk: call actions, and see notifies, lost connections and resumes as they come.

    The prompt completes commands and actions and remembers lines (in the user's state directory); type help. When
    standard input is no terminal, each of its lines is a command and only answers are printed. Exit status 0: done. 1:
    the last error of a script was an answer. 2: one of its lines means nothing, and ended it. 3: no connection, or none
    any more.
    """
    from quicgw_fast.cli.calling import CONNECT_TIMEOUT, Caller
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.repl.talk import talk
    from quicgw_fast.compiled import PARTS

    if ca is not None and insecure:
        raise typer.BadParameter("cannot be combined with --insecure", param_hint="--ca")
    within = min(CONNECT_TIMEOUT, timeout) if connect_timeout is None else connect_timeout
    transport = PARTS["server"]["transport"] if fast else None
    caller = Caller(address, call.who("repl", openid, token), token, ca, insecure, within, transport)
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty() and not json
    with options.failures_as_json(json):
        raise typer.Exit(run(talk(caller, terminal=terminal, as_json=json, timeout=timeout, wait=wait)))
