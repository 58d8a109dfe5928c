"""``quicgw events``: what happens to sessions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.text import named, one_of


class WatchedKind(StrEnum):
    """What may be asked for; as ``LifecycleKind``, in the letters of a command line."""

    ATTACHED = "attached"
    RESUMED = "resumed"
    RESET = "reset"
    LOGGED_IN = "logged-in"
    DETACHED = "detached"
    ENDED = "ended"


_ONE_OF = f"Only those: {', '.join(WatchedKind)}. Repeatable."
Kinds = Annotated[
    list[WatchedKind] | None, typer.Option("--kind", "-k", metavar="KIND", parser=one_of(WatchedKind), help=_ONE_OF)
]
Openid = Annotated[str | None, typer.Option("--openid", metavar="TEXT", callback=named, help="Those of this openid.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", metavar="", help="Go on with what happens, until Ctrl-C.")]


def events(
    follow: Follow = False,
    kind: Kinds = None,
    openid: Openid = None,
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    json: options.Json = False,
) -> None:
    """Print what happened to the sessions of a gateway, as far back as it keeps that.

    A line has the time, what happened and why, the openid, the session and the client's address. With --follow a
    connection that breaks is made again, and the list goes on where it was; what was missed meanwhile is a line, too.

    Exit status 0: done. 3: no gateway, or it does not tell.
    """
    from quicgw_fast.cli import watching
    from quicgw_fast.cli.event_loop import run

    with options.failures_as_json(json):
        access = options.gateway_access(token_file, ca, cert, key)
        run(
            watching.watch(gateway, access, [one.name for one in kind or ()], openid or "", follow=follow, as_json=json)
        )
