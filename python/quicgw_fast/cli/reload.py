"""``quicgw reload``: have a running gateway read its configuration again, and print what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quicgw_fast.cli.asking import AdminPages


def reload(
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Have a gateway read its configuration, certificate and keys again, and print what changed.

    No connection is dropped. What cannot be changed while it runs is named, and all else is taken. Where it has several
    workers, all of them are asked. Exit status 0: done. 1: refused, with the reason, and the gateway goes on as it was,
    or some worker did not take it. 3: no gateway there.
    """
    from quicgw_fast.cli.tables import say_document

    with options.failures_as_json(json):
        status, answer = _ask(admin, config, token_file, timeout)
        if json:
            say_document(answer)
        else:
            print("\n".join(_lines(answer)))
    raise typer.Exit(Status.DONE if status == 200 and not answer.get("not_taken") else Status.NO)


def _ask(admin: str | None, config: Path | None, token_file: Path | None, timeout: float) -> tuple[int, Any]:
    from quicgw_fast.config import BadConfigError

    try:
        pages = options.admin_pages(admin, config, token_file, timeout)
    except BadConfigError as error:  # no gateway would take that: it need not be asked
        hint = "quicgw checkconfig FILE names every mistake of a file, with its line"
        return 409, {"error": {"code": "NOT_RELOADED", "message": str(error), "hint": hint}}
    status, answer = pages.ask("POST", "/reload")
    others = [other for other in pages.of_workers(answer) if other.address != pages.address]
    if others and status == 200:
        answer["not_taken"] = dict(_not_taken(others, answer))
    return status, answer


def _not_taken(others: list[AdminPages], told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Ask the other workers as well, and add to what was told; the addresses of those that fail, each with why."""
    from quicgw_fast.cli.asking import refusal
    from quicgw_fast.errors import StartupError

    for pages in others:
        try:
            status, answer = pages.ask("POST", "/reload")
        except StartupError as error:
            yield pages.address, str(error)
            continue
        if status != 200:
            yield pages.address, refusal(answer)
            continue
        for kind in ("changed", "needs_restart"):
            told[kind] = answer[kind] | told[kind]
        told["files"] = list(dict.fromkeys([*told["files"], *answer["files"]]))


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
    if not any(answer[kind] for kind in ("changed", "files", "needs_restart")):
        yield "nothing has changed"
    for address, why in answer.get("not_taken", {}).items():
        yield f"the worker at {address} has not taken it, and others have: {why}"
