"""``quicgw drain``: have a gateway stop as gracefully as SIGTERM does, and watch it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cli.asking import AdminPages

LOOK_EVERY = 0.2
"""Seconds."""
Wait = Annotated[bool, typer.Option("--wait", "-w", metavar="", help="Show how far it is, until it has ended.")]


def drain(
    wait: Wait = False,
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Have a gateway stop as SIGTERM does: answer what it accepted, send its clients away, and end.

    Where it has several workers all of them stop, whichever is asked. Asking again changes nothing. With --wait the
    command ends when the gateway has; Ctrl-C ends the watching alone. Exit status 0: it drains, or with --wait has
    ended. 1: refused, as by a gateway inside of another program. 3: no gateway there, or it is too old for that.
    """
    from quicgw_fast.cli.asking import refusal
    from quicgw_fast.cli.tables import say_document

    with options.failures_as_json(json):
        pages = options.admin_pages(admin, config, token_file, timeout)
        status, answer = pages.ask("POST", "/drain")
    if status == 200 and wait:
        answer = {**answer, "ended_after": _watch(pages.of_workers(answer), quiet=json)}
    if json:
        say_document(answer)
    elif status != 200:
        print(f"refused: {refusal(answer)}")
    else:
        at_most = f"at most {answer['at_most']:g} s"
        print(f"ended after {answer['ended_after']:.1f} s" if wait else f"drains, {at_most}")
    raise typer.Exit(Status.DONE if status == 200 else Status.NO)


def _watch(workers: list[AdminPages], *, quiet: bool) -> float:
    """Show what is left until nobody answers any more; return how many seconds that took."""
    from quicgw_fast.cli.tables import live_line

    began = time.monotonic()
    with live_line(quiet=quiet) as show:
        for left in _left(workers):
            show(left)
            time.sleep(LOOK_EVERY)  # there is no event: another process stops
    return round(time.monotonic() - began, 3)


def _left(workers: list[AdminPages]) -> Iterator[str]:
    from quicgw_fast.cli.tables import counted

    while there := list(_answers(workers)):
        sessions = sum(stats["sessions"]["INITED"] + stats["sessions"]["NORMAL"] for stats in there)
        connections = sum(stats["connections"] for stats in there)
        pools = [stats[pool] for stats in there for pool in ("processor", "logins")]
        requests = sum(pool["queue_length"] + pool["busy_workers"] for pool in pools)
        left = ((sessions, "session"), (connections, "connection"), (requests, "request"))
        yield ", ".join(counted(number, what) for number, what in left) + " open"


def _answers(workers: list[AdminPages]) -> Iterator[Any]:
    """The /stats of those whose port is still open."""
    from quicgw_fast.cli.asking import NoAnswer

    for pages in workers:
        with contextlib.suppress(NoAnswer):
            yield pages.get("/stats")
