"""``quicgw sessions``: who is there."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import named, no_answer, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cli.asking import AdminPages

COLUMNS = ("ID", "OPENID", "GID", "STATE", "ADDRESS", "AGE", "IDLE", "WINDOW", "IN FLIGHT")
NODE = "NODE"
"""The column that a cluster has, too."""
STATES = ("INITED", "NORMAL", "ATTACHED", "DETACHED")
"""As the page knows them, in capitals or not."""
MOST = 100_000
SHORT_ID = 8
"""Characters of an id where the terminal is too narrow for all of it."""
MOST_ALIKE = 10
"""Sessions that are looked at for the one whose id begins so."""

_QUERY_HELP = "Part of an id, openid, gid or address."
_STATE_HELP = f"Those in this state: {', '.join(STATES[:-1])} or {STATES[-1]}."
_AGAIN = "\033[H\033[J"
"""Back to the corner, and everything below goes."""


def _exactly(flag: str, what: str) -> Any:
    return typer.Option(flag, metavar="TEXT", callback=named, help=what)


def _state(value: str | None) -> str | None:
    """Check that there is such a state."""
    if value is not None and value.upper() not in STATES:
        raise typer.BadParameter(f"{value[:40]!r} is unknown; choose from {', '.join(STATES)}")
    return value


def sessions(
    query: Annotated[str | None, typer.Option("--query", metavar="TEXT", callback=plain, help=_QUERY_HELP)] = None,
    openid: Annotated[str | None, _exactly("--openid", "Those of this openid.")] = None,
    gid: Annotated[str | None, _exactly("--gid", "Those of this gid.")] = None,
    address: Annotated[str | None, _exactly("--address", "Those of this client's address.")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="STATE", callback=_state, help=_STATE_HELP)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=MOST, help="At most so many.")] = 50,
    watch: Annotated[bool, typer.Option("--watch", metavar="", help="Again and again, until Ctrl-C.")] = False,
    here: options.Here = False,
    every: Annotated[float, Seconds("--every", default="1s", help="How often --watch looks.")] = 1.0,
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """List the sessions of a gateway, those of clients that are away (detached) as well.

    Of a cluster those of all nodes, by their ids, whichever is asked.

    With --watch and --json each look is one object on one line. Exit status 0: done. 1: nodes of the cluster did not
    answer; the output names them. 3: no gateway there, or it is too old for that.
    """
    wanted = {"q": query, "openid": openid, "gid": gid, "address": address, "state": state}
    asked = {name: value for name, value in wanted.items() if value is not None} | options.scope(here=here)
    with options.failures_as_json(json):
        pages = options.admin_pages(admin, config, token_file, timeout)
        while True:
            found = find(pages, asked, limit)
            _show(found, as_json=json, over=watch and sys.stdout.isatty())
            if not watch:
                raise typer.Exit(Status.NO if found["unreached_nodes"] else Status.DONE)
            time.sleep(every)  # as often as who watches wants it


def find(pages: AdminPages, asked: dict[str, str], limit: int) -> dict[str, Any]:
    """Follow the pages of the list until there are so many, or no more."""
    found: list[dict[str, Any]] = []
    unreached: set[str] = set()
    cursor: str | None = None
    while True:
        query = {**asked, "limit": str(limit - len(found))} | ({} if cursor is None else {"cursor": cursor})
        page = pages.get(f"/sessions?{urlencode(query)}")
        found += page["sessions"]
        unreached.update(page.get("unreached_nodes", ()))
        cursor = page["next"]
        if cursor is None or not page["sessions"] or len(found) >= limit:
            told = {"at": page["at"], "sessions": found[:limit], "next": cursor, "total": page["total"]}
            return {**told, "unreached_nodes": sorted(unreached)}


def whole_id(pages: AdminPages, begun: str) -> str:
    """Return the one session id that begins so; what is given where none does, or several do."""
    if len(begun) < SHORT_ID:
        return begun
    alike = [one["id"] for one in find(pages, {"q": begun}, MOST_ALIKE)["sessions"] if one["id"].startswith(begun)]
    return str(alike[0]) if len(alike) == 1 else begun


def _show(found: dict[str, Any], *, as_json: bool, over: bool) -> None:
    from quicgw_fast.cli.tables import say_document

    if as_json:
        say_document(found)
        return
    lines = [*_lines(found)]
    print(_AGAIN * over + "\n".join(lines), flush=True)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    from quicgw_fast.cli.tables import counted, is_too_wide, table

    rows = [row_of(session, found["at"]) for session in found["sessions"]]
    columns: tuple[str, ...] = COLUMNS
    if any(session.get("node") for session in found["sessions"]):
        columns = (*COLUMNS, NODE)
        rows = [(*row, session["node"]) for row, session in zip(rows, found["sessions"], strict=True)]
    lines = list(table(columns, rows)) if rows else []
    if is_too_wide(lines):
        lines = list(table(columns, [(_short(row[0]), *row[1:]) for row in rows]))
    yield from lines
    more = "; --limit shows more" if len(rows) < found["total"] else ""
    silent = no_answer(found["unreached_nodes"], so="whose sessions are left out")
    yield f"{len(rows)} of {counted(found['total'], 'session')}{more}{silent}"


def _short(session_id: object) -> str:
    """The beginning of an id, which ``quicgw session`` takes as well."""
    return str(session_id)[:SHORT_ID]


def row_of(session: dict[str, Any], now: float) -> tuple[object, ...]:
    """What the table shows of one."""
    from quicgw_fast.cli.tables import ago, amount

    away = not session["attached"] and session["state"] != "CLOSED"
    state = f"{session['state']} (away)" if away else session["state"]
    window = f"{session['window_messages']} ({amount(session['window_bytes'])})"
    times = ago(session["since"], now), ago(session["last_activity"], now)
    who = session["id"], session["openid"], session["gid"], state, session["address"]
    return (*who, *times, window, session["in_flight"])
