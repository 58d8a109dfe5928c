"""``quicgw group``: who is in which group, and pushes to all who are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.push import Content, Data, IdempotencyKey, Metadata, Timeout, Title, Type, message_of
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import examples, help_of, no_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cli.asking import AdminPages

MOST = 100_000
TARGETS = ("session", "openid")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The group's.")]
Member = Annotated[
    str,
    typer.Option(
        "--member", metavar="KIND:ID", help="Who; KIND is session (its whole id) or openid (all its sessions)."
    ),
]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=MOST, help="At most so many.")]

group = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Groups of sessions: who is in them, pushes to all."
)


def list_(
    limit: Limit = 50,
    here: options.Here = False,
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """List the groups that have members; of a cluster those of all nodes, by their names, whichever is asked.

    Exit status 0: done. 1: nodes of the cluster did not answer; the output names them. 3: no gateway there, or it is
    too old for that.
    """
    from quicgw_fast.cli.tables import say_document, table

    with options.failures_as_json(json):
        found = _find(options.admin_pages(admin, config, token_file, timeout), limit, options.scope(here=here))
    silent = found["unreached_nodes"]
    if json:
        say_document(found)
    else:
        rows = [(each["name"], str(each["members"])) for each in found["groups"]]
        total = found["total"] if found["next"] else len(rows)  # several nodes with members of one group count it each
        told = f"{len(rows)} of {total} groups{no_answer(silent, so='whose members are left out')}"
        print("\n".join([*table(("NAME", "MEMBERS"), rows), told]), flush=True)
    raise typer.Exit(Status.NO if silent else Status.DONE)


def members(
    name: Name,
    limit: Limit = 50,
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """List who is in a group, in the order in which they joined; of a cluster one node after the other.

    Exit status 0: done. 1: refused, or nodes of a cluster did not answer; the output says why, or which. 3: no gateway.
    """
    from quicgw_fast.cli import grouping
    from quicgw_fast.cli.event_loop import run

    with options.failures_as_json(json):
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(grouping.members(gateway, access, timeout, name, limit, as_json=json)))


def join(
    name: Name,
    member: Member,
    ttl: Annotated[
        float | None, Seconds("--ttl", default="none", help="Leave by itself after so long, unless it joins again.")
    ] = None,
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Have a session, or all sessions of an openid, be in a group.

    Exit status 0: done. 1: refused; the output says why. 3: no gateway.
    """
    from quicgw_fast.cli import grouping
    from quicgw_fast.cli.event_loop import run

    who = _target(member)
    with options.failures_as_json(json):
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(grouping.join(gateway, access, timeout, name, who, ttl or 0.0, as_json=json)))


def leave(
    name: Name,
    member: Member,
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Take a session, or all sessions of an openid, out of a group.

    Exit status 0: done. 1: refused; the output says why. 3: no gateway.
    """
    from quicgw_fast.cli import grouping
    from quicgw_fast.cli.event_loop import run

    who = _target(member)
    with options.failures_as_json(json):
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(grouping.leave(gateway, access, timeout, name, who, as_json=json)))


def push(
    name: Name,
    type: Type = "notice",  # noqa: A002 - the option's name
    title: Title = "",
    content: Content = "",
    data: Data = "",
    meta: Metadata = None,
    idempotency_key: IdempotencyKey = "",
    gateway: options.Gateway = options.GATEWAY_DEFAULT,
    token_file: options.TokenFile = None,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    timeout: Timeout = 5.0,
    json: options.Json = False,
) -> None:
    """Push to every member of a group; prints how many took it.

    Exit status 0: done. 1: refused, or nodes of a cluster did not answer; the output says why, or which. 3: no gateway.
    """
    from quicgw_fast.cli import grouping
    from quicgw_fast.cli.event_loop import run

    with options.failures_as_json(json):
        message = message_of(type, title, content, data, meta)
        access = options.gateway_access(token_file, ca, cert, key)
        raise typer.Exit(run(grouping.push(gateway, access, timeout, name, message, idempotency_key, as_json=json)))


_MADE = (
    ("list", list_, ("quicgw group list",)),
    ("members", members, ("quicgw group members room-7",)),
    ("join", join, ("quicgw group join room-7 --member openid:alice --ttl 10m",)),
    ("leave", leave, ("quicgw group leave room-7 --member session:4f2a09…",)),
    ("push", push, ("quicgw group push room-7 --type chat --content 'hello, all of you'",)),
)
for _name, _command, _lines in _MADE:
    group.command(_name, help=help_of(_command), epilog=examples(*_lines))(_command)


def _target(member: str) -> tuple[str, str]:
    kind, _, target = member.partition(":")
    if kind not in TARGETS or not target:
        raise typer.BadParameter(f"{member!r} is not of the form session:ID or openid:ID", param_hint="--member")
    return kind, target


def _find(pages: AdminPages, limit: int, scope: dict[str, str]) -> dict[str, Any]:
    """Follow the pages of the list until there are so many, or no more."""
    found: list[dict[str, Any]] = []
    unreached: set[str] = set()
    last: dict[str, Any] = {}
    for last in _pages(pages, limit, scope):
        found += last["groups"]
        unreached.update(last.get("unreached_nodes", ()))
        if len(found) >= limit:
            break
    return {**last, "groups": found[:limit], "unreached_nodes": sorted(unreached)}


def _pages(pages: AdminPages, limit: int, scope: dict[str, str]) -> Iterator[dict[str, Any]]:
    asked = {"limit": str(limit), **scope}
    while True:
        page = pages.get(f"/groups?{urlencode(asked)}")
        yield page
        if page["next"] is None:
            return
        asked["cursor"] = page["next"]
