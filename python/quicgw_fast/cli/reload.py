"""``quicgw reload``: have a running gateway read its configuration again, and print what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def reload(
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Have a gateway read its configuration, certificate and keys again, and print what changed.

    No connection is dropped. What cannot be changed while it runs is named, and all else is taken. Exit status 0: done.
    1: refused, with the reason, and the gateway goes on as it was. 3: no gateway there.
    """
    from quicgw_fast.cli.tables import say_document

    with options.failures_as_json(json):
        status, answer = _ask(admin, config, token_file, timeout)
        if json:
            say_document(answer)
        else:
            print("\n".join(_lines(answer)))
    raise typer.Exit(Status.DONE if status == 200 else Status.NO)


def _ask(admin: str | None, config: Path | None, token_file: Path | None, timeout: float) -> tuple[int, Any]:
    from quicgw_fast.config import BadConfigError

    try:
        pages = options.admin_pages(admin, config, token_file, timeout)
    except BadConfigError as error:  # no gateway would take that: it need not be asked
        hint = "quicgw checkconfig FILE names every mistake of a file, with its line"
        return 409, {"error": {"code": "NOT_RELOADED", "message": str(error), "hint": hint}}
    return pages.ask("POST", "/reload")


def _lines(answer: Any) -> Iterator[str]:
    """What changed, for people."""
    from quicgw_fast.cli.asking import refusal

    if "error" in answer:
        yield f"refused, and nothing has changed: {refusal(answer)}"
        return
    for key, change in answer["changed"].items():
        yield f"{key}: {change['before']} → {change['now']}"
    for key in answer["files"]:
        yield f"{key}: the file has another content, which is in use now"
    for key, change in answer["needs_restart"].items():
        yield f"{key} needs a restart: {change['stays']} stays, {change['written']} is written"
    if not any(answer.values()):
        yield "nothing has changed"
