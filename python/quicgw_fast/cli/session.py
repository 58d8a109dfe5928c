"""``quicgw session``: one session, and what went back and forth."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cli.asking import AdminPages

_WHO_HELP = "A session's id, its first 8 characters, or openid:NAME."
BY_OPENID = "openid:"
_ID = re.compile(r"[0-9a-f]+")
COLUMNS = ("AT", "", "KIND", "NUMBER", "OF REQUEST", "SIZE", "TOOK", "OUTCOME")
_ARROWS = {"in": "→", "up": "→", "out": "←", "down": "←"}


def _named(who: str) -> str:
    """Check that this names a session: an openid that is empty would be asked for as anybody's."""
    named(who)
    if who == BY_OPENID:
        raise typer.BadParameter(f"{who!r} has no name; write openid:NAME")
    return who


def session(
    who: Annotated[str, typer.Argument(metavar="ID", callback=_named, help=_WHO_HELP)],
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Show one session and its flight recorder: the last messages, each with its number, size, time and outcome.

    One that has ended is remembered for a while. Of a cluster any node is asked. Exit status 0: done. 1: there is no
    such session, a node that may have it does not answer, or the openid has several. 3: no gateway there, or it
    is too old for that.
    """
    from quicgw_fast.cli.asking import in_words_of_commands, refusal
    from quicgw_fast.cli.tables import say_document

    with options.failures_as_json(json):
        pages = options.admin_pages(admin, config, token_file, timeout)
        status, answer = _ask(pages, who)
        known = who.startswith(BY_OPENID) or _ID.fullmatch(who)
        answer = in_words_of_commands(answer, "" if known else f"{BY_OPENID}{who}")
    if json:
        say_document(answer)
    else:
        why = "not found" if status == 404 else "refused"
        print("\n".join(_lines(answer)) if status == 200 else f"{why}: {refusal(answer)}")
    raise typer.Exit(Status.DONE if status == 200 else Status.NO)


def _ask(pages: AdminPages, who: str) -> tuple[int, Any]:
    from quicgw_fast.cli.asking import no_session
    from quicgw_fast.cli.sessions import MOST_ALIKE, SHORT_ID, find, whole_id

    if who.startswith(BY_OPENID):
        openid = who.removeprefix(BY_OPENID)
        found = find(pages, {"openid": openid}, MOST_ALIKE)["sessions"]
        if len(found) > 1:
            several = f"{openid!r} has several sessions: {', '.join(one['id'][:SHORT_ID] for one in found)}"
            return 409, {"error": {"code": "SEVERAL", "message": several, "hint": "name one by its id"}}
        if not found:
            return 404, no_session(f"no session of {openid!r}")
        who = found[0]["id"]
    status, answer = pages.ask("GET", f"/sessions/{quote(who, safe='')}")
    if status in (404, 503) and (one := whole_id(pages, who)) != who:
        return pages.ask("GET", f"/sessions/{one}")
    return status, answer


def _lines(one: dict[str, Any]) -> Iterator[str]:
    from quicgw_fast.cli.sessions import row_of
    from quicgw_fast.cli.tables import shown, table

    labels: tuple[str, ...] = ("id", "openid", "gid", "state", "address", "age", "idle", "window", "in flight")
    values: tuple[object, ...] = row_of(one, one["at"])
    if one.get("node"):
        labels, values = (*labels, "node"), (*values, one["node"])
    for label, value in zip(labels, values, strict=True):
        yield f"{label.ljust(12)}  {shown(value)}"
    events = one["events"]
    yield ""
    if not events:
        yield "nothing is recorded"
        return
    yield from table(COLUMNS, (_event(event) for event in events))


def _event(event: dict[str, Any]) -> tuple[object, ...]:
    from quicgw_fast.cli.tables import amount

    at = time.strftime("%H:%M:%S", time.localtime(event["at"])) + f"{event['at'] % 1:.3f}"[1:]
    took = None if event["duration"] is None else _quick(event["duration"])
    direction = _ARROWS.get(event["direction"], event["direction"])
    return (
        at,
        direction,
        event["kind"],
        event["number"],
        event.get("request"),
        amount(event["size"]),
        took,
        event["outcome"],
    )


def _quick(seconds: float) -> str:
    """Write a time of which milliseconds matter."""
    from quicgw_fast.cli.tables import lasting

    return f"{seconds * 1000:.1f}ms" if seconds < 1 else lasting(seconds)
