"""``quicgw upgrade``: have a new process take over from a gateway, with its ports and its sessions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cli.asking import AdminPages

LOOK_EVERY: Final = 0.2
"""Seconds."""
Wait = Annotated[
    bool, typer.Option("--wait", "-w", metavar="", help="Show how far it is, until the old process has ended.")
]


def upgrade(
    wait: Wait = False,
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 90.0,
    json: options.JsonObject = False,
) -> None:
    """Have a new process of the gateway take over, with its ports, clients and sessions.

    It is started with the same command, so what was installed since runs in it, and reads its configuration. Where that
    is wrong it says so and ends, and the gateway goes on as it was. Clients come back to it one after the other and
    go on where they were. With --wait the command ends when the old process has; Ctrl-C ends the watching alone. Exit
    status 0: the new process serves. 1: refused, with the reason, and nothing has changed. 3: no gateway there, or it
    is too old for that.
    """
    from quicgw_fast.cli.asking import refusal
    from quicgw_fast.cli.tables import counted, say_document

    with options.failures_as_json(json):
        pages = options.admin_pages(admin, config, token_file, timeout)
        status, answer = pages.ask("POST", "/upgrade")
        if status == 200 and wait:
            answer = {**answer, "ended_after": _watch(pages, answer["pid"], quiet=json)}
    if json:
        say_document(answer)
    elif status != 200:
        print(f"refused: {refusal(answer)}")
    else:
        ended = f"; the old one ended after {answer['ended_after']:.1f} s" if wait else ""
        print(f"process {answer['pid']} serves, and {counted(answer['sessions'], 'session')} follow{ended}")
    raise typer.Exit(Status.DONE if status == 200 else Status.NO)


def _watch(pages: AdminPages, pid: int, *, quiet: bool) -> float:
    """Show what is left until the old process has ended; return how many seconds that took."""
    from quicgw_fast.cli.tables import counted, live_line

    began = time.monotonic()
    with live_line(quiet=quiet) as show:
        for left in _left(pages, pid):
            show("the old process ends" if left is None else f"{counted(left, 'session')} at the old process")
            time.sleep(LOOK_EVERY)  # there is no event: other processes do it
    return round(time.monotonic() - began, 3)


def _left(pages: AdminPages, pid: int) -> Iterator[int | None]:
    """Sessions that are left, again and again; raises StartupError when the new process does not serve any more."""
    from quicgw_fast.errors import StartupError

    while (view := _view(pages))["predecessor"]:
        yield view["sessions_left"]
    if view["pid"] != pid:
        raise StartupError(f"process {pid} has ended, and {view['pid']} serves; its log says why")


def _view(pages: AdminPages) -> Any:
    return pages.get("/upgrade")
