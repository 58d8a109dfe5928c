"""``quicgw push``: what a service does when it pushes to clients, by hand."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options, text
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import LONGEST_NAME, examples, help_of, openid_meant, pairs

if TYPE_CHECKING:
    from quicgw_fast.cli.pushing import PushMessage

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
WaitAck = Annotated[
    float,
    Seconds("--wait-ack", default="not", zero=True, help="Wait until the client has acknowledged it, at most so long."),
]
IdempotencyKey = Annotated[
    str,
    typer.Option("--idempotency-key", metavar="KEY", help="With a KEY that was used before nothing is sent."),
]
Ttl = Annotated[
    float, Seconds("--ttl", default="none", zero=True, help="Drop it when it could not be sent in this time.")
]
Supersede = Annotated[
    str, typer.Option("--supersede", metavar="KEY", help="Replace an older push with this KEY that was not sent yet.")
]
Timeout = Annotated[float, Seconds("--timeout", "-t", default="5s", help="How long to wait for the gateway's answer.")]

_TO_HELP = "Who gets it; KIND is session (its whole id), openid (all its sessions) or gid."

push = typer.Typer(add_completion=False, no_args_is_help=True, help="Push a notify to clients through a gateway.")


def unicast(
    to: Annotated[
        str, typer.Option("--to", metavar="KIND:ID", help="Who gets it; KIND is session (the whole id), openid or gid.")
    ],
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
    wait_ack: WaitAck = 0.0,
    idempotency_key: IdempotencyKey = "",
    ttl: Ttl = 0.0,
    supersede: Supersede = "",
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Push to one client.

    Exit status 0: the gateway took it; with --wait-ack, the client has it. 1: refused, not acknowledged in time, or
    lost; the output says which. 3: no gateway.
    """
    from quicgw_fast.cli import pushing
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.push_lines import TARGETS

    kind, _, target = to.partition(":")
    if kind not in TARGETS or not target:
        told = f"{to!r} is not of the form session:ID, openid:ID or gid:ID"
        if kind == "group" and target:
            told += f"; quicgw group push {shlex.quote(target[:LONGEST_NAME])} reaches the members of a group"
        else:
            told += openid_meant(kind, target, TARGETS)
        raise typer.BadParameter(told, param_hint="--to")
    if before is not None and after is not None:
        raise typer.BadParameter("cannot be combined with --after", param_hint="--before")
    with options.failures_as_json(json):
        message = message_of(type, title, content, data, meta)
        access = options.gateway_access(token_file, ca, cert, key)
        wishes = pushing.Wishes(wait_ack, idempotency_key, ttl, supersede)
        work = pushing.unicast(
            gateway, access, timeout, kind, target, message, before=before, after=after, wishes=wishes, as_json=json
        )
        raise typer.Exit(run(work))


def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="One push in JSON a line; - reads standard input.")],
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Push all that a file has, in its order and in as few calls as it takes.

    A line is an object with the fields of UnicastPushRequest, such as {"target_type": "openid", "target_id": "alice",
    "content": "hi", "wait_ack_ms": 5000}; data is in base64. Prints one line for each.

    Exit status 0: the gateway took all, and who was waited for has it. 1: not so. 2: a line is wrong. 3: no gateway.
    """
    from quicgw_fast.cli import push_batches
    from quicgw_fast.cli.event_loop import run

    with options.failures_as_json(json):
        requests = push_batches.read(file)
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(push_batches.push(gateway, access, timeout, requests, as_json=json)))


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

    Exit status 0: done. 1: nodes of a cluster did not answer; the output names them. 3: no gateway.
    """
    from quicgw_fast.cli import pushing
    from quicgw_fast.cli.event_loop import run

    with options.failures_as_json(json):
        message = message_of(type, title, content, data, meta)
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(pushing.broadcast(gateway, access, timeout, message, as_json=json)))


push.command(
    help=help_of(unicast),
    epilog=examples(
        "quicgw push unicast --to openid:alice --title hello --content 'you have mail'",
        "quicgw push unicast --to session:4f2a09… --after 7 --data @note.bin",
        "quicgw push unicast --to openid:alice --content 3:1 --supersede score --ttl 30s --wait-ack 5s",
    ),
)(unicast)
push.command(
    help=help_of(batch),
    epilog=examples("quicgw push batch pushes.jsonl"),
)(batch)
push.command(
    help=help_of(broadcast),
    epilog=examples("quicgw push broadcast --type news --title maintenance --content 'back soon'"),
)(broadcast)


def message_of(kind: str, title: str, content: str, data: str, meta: list[str] | None) -> PushMessage:
    """Make it of the options; BadParameter for what they cannot mean."""
    from quicgw_fast.cli.pushing import PushMessage

    return PushMessage(kind, title, content, text.content(data, "--data"), pairs(meta or (), "--meta"))
