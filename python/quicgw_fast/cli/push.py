"""``quicgw push``: what a service does when it pushes to clients, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options, text
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import examples, help_of, pairs

if TYPE_CHECKING:
    from quicgw_fast.cli.pushing import PushMessage

TARGETS = ("session", "openid", "gid")

Type = Annotated[
    str,
    typer.Option("--type", metavar="NAME", help="Type of the notify: header notify-type, and [NAME] in its message."),
]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="Header notify-title.")]
Content = Annotated[
    str,
    typer.Option("--content", metavar="TEXT", help="Header notify-content; also the body when --data is not given."),
]
Data = Annotated[
    str, typer.Option("--data", "-d", metavar="TEXT|@FILE", help="Body of the notify; @- reads standard input.")
]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="A header of the notify. Repeatable.")
]
Timeout = Annotated[float, Seconds("--timeout", "-t", default="5s", help="How long to wait for the gateway's answer.")]

push = typer.Typer(add_completion=False, no_args_is_help=True, help="Push a notify to clients through a gateway.")


def unicast(
    to: Annotated[str, typer.Option("--to", metavar="KIND:ID", help="Who gets it; KIND is session, openid or gid.")],
    type: Type = "notice",  # noqa: A002 - the option's name
    title: Title = "",
    content: Content = "",
    data: Data = "",
    meta: Metadata = None,
    before: Annotated[
        int | None, typer.Option("--before", metavar="N", min=1, help="Deliver right before the reply to request N.")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--after", metavar="N", min=1, help="Deliver right after the reply to request N.")
    ] = None,
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Push to one client.

    Exit status 0: the gateway took it. 1: refused, and the error code says why. 3: no gateway.
    """
    from quicgw_fast.cli import pushing
    from quicgw_fast.cli.event_loop import run

    kind, _, target = to.partition(":")
    if kind not in TARGETS or not target:
        raise typer.BadParameter(f"{to!r} is not of the form session:ID, openid:ID or gid:ID", param_hint="--to")
    if before is not None and after is not None:
        raise typer.BadParameter("cannot be combined with --after", param_hint="--before")
    with options.failures_as_json(json):
        message = _message(type, title, content, data, meta)
        access = options.gateway_access(token_file, ca, cert, key)
        work = pushing.unicast(
            gateway, access, timeout, kind, target, message, before=before, after=after, as_json=json
        )
        raise typer.Exit(run(work))


def broadcast(
    type: Type = "notice",  # noqa: A002 - the option's name
    title: Title = "",
    content: Content = "",
    data: Data = "",
    meta: Metadata = None,
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Push to every client that is logged in; prints how many took it.

    Exit status 0: done. 3: no gateway.
    """
    from quicgw_fast.cli import pushing
    from quicgw_fast.cli.event_loop import run

    with options.failures_as_json(json):
        message = _message(type, title, content, data, meta)
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(pushing.broadcast(gateway, access, timeout, message, as_json=json)))


push.command(
    help=help_of(unicast),
    epilog=examples(
        "quicgw push unicast --to openid:alice --title hello --content 'you have mail'",
        "quicgw push unicast --to session:4f2a09… --after 7 --data @note.bin",
    ),
)(unicast)
push.command(
    help=help_of(broadcast),
    epilog=examples("quicgw push broadcast --type news --title maintenance --content 'back soon'"),
)(broadcast)


def _message(kind: str, title: str, content: str, data: str, meta: list[str] | None) -> PushMessage:
    from quicgw_fast.cli.pushing import PushMessage

    return PushMessage(kind, title, content, text.content(data, "--data"), pairs(meta or (), "--meta"))
