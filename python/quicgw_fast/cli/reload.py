"""``quicgw reload``: have a running gateway read its configuration again, and print what changed."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import ADDRESS, Seconds
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import peer_address

if TYPE_CHECKING:
    from collections.abc import Iterator


def _address(value: str | None) -> str | None:
    return None if value is None else peer_address(value)


Admin = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar=ADDRESS,
        callback=_address,
        help="The gateway's admin address; unless it is given, server.admin of --config.",
    ),
]


def reload(
    admin: Admin = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: Annotated[float, Seconds("--timeout", "-t", default="5s", help="How long to wait for the answer.")] = 5.0,
    json: options.Json = False,
) -> None:
    """Have a gateway read its configuration, certificate and keys again, and print what changed.

    No connection is dropped. What cannot be changed while it runs is named, and all else is taken. Exit status 0: done.
    1: refused, with the reason, and the gateway goes on as it was. 3: no gateway there.
    """
    from quicgw_fast.cli.asking import ask_admin
    from quicgw_fast.config import read

    with options.failures_as_json(json):
        settings = read(config)
        token = options.token(token_file or settings.control.admin_token_file)
        status, answer = ask_admin("POST", admin or settings.server.admin, "/reload", timeout, token)
        if json:
            print(json_module.dumps(answer))
        else:
            print("\n".join(_lines(answer)))
    raise typer.Exit(Status.DONE if status == 200 else Status.NO)


def _lines(answer: Any) -> Iterator[str]:
    """What changed, for people."""
    from quicgw_fast.cli.asking import refusal

    if "error" in answer:
        yield f"refused, and nothing has changed: {refusal(answer)}"
        return
    for key, change in answer["changed"].items():
        yield f"{key}: {change['before']} is {change['now']} now"
    for key in answer["files"]:
        yield f"{key}: the file has another content, which is in use now"
    for key, change in answer["needs_restart"].items():
        yield f"{key} needs a restart: {change['stays']} stays, {change['written']} is written"
    if not any(answer.values()):
        yield "nothing has changed"
