"""``quicgw kick``: end the sessions of a client of a running gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import openid_meant

KINDS = {"openid": "openid", "session": "session_id"}
"""What a session may be named by, and how the gateway calls that."""


LONGEST_REASON = 128
"""Characters, as the page for it has them."""
_WHO_HELP = "openid:ID for all its sessions, session:ID for one; the first 8 characters of a session's id will do."
_REASON_HELP = f"Told to the client; at most {LONGEST_REASON} ASCII characters."


def _reason(value: str) -> str:
    """Check what the client is told."""
    if len(value) > LONGEST_REASON or not value.isprintable() or not value.isascii():
        raise typer.BadParameter(f"must be one line of at most {LONGEST_REASON} ASCII characters")
    return value


def kick(
    who: Annotated[str, typer.Argument(metavar="KIND:ID", help=_WHO_HELP)],
    reason: Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", callback=_reason, help=_REASON_HELP)] = "",
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """End sessions for good: their clients are closed with KICKED and cannot resume.

    Exit status 0: done. 1: there is no such session, or a node that may have it does not answer. 3: no gateway
    there.
    """
    from quicgw_fast.cli.asking import in_words_of_commands, refusal
    from quicgw_fast.cli.sessions import whole_id
    from quicgw_fast.cli.tables import say_document

    kind, _, name = who.partition(":")
    if kind not in KINDS or not name:
        told = f"{who!r} is not of the form openid:ID or session:ID{openid_meant(kind, name, KINDS)}"
        raise typer.BadParameter(told, param_hint="KIND:ID")
    with options.failures_as_json(json):
        pages = options.admin_pages(admin, config, token_file, timeout)
        status, answer = pages.ask("POST", "/sessions/kick", {KINDS[kind]: name, "reason": reason})
        if kind == "session" and status in (404, 503) and (one := whole_id(pages, name)) != name:
            status, answer = pages.ask("POST", "/sessions/kick", {KINDS[kind]: one, "reason": reason})
    done, answer = status == 200, in_words_of_commands(answer)
    count = answer["kicked"] if done else 0
    if json:
        say_document(answer)
    else:
        print(f"kicked{f' {count} sessions' if count > 1 else ''}" if done else f"refused: {refusal(answer)}")
    raise typer.Exit(Status.DONE if done else Status.NO)
