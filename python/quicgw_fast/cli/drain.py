"""``quicgw drain``: have a gateway stop as gracefully as SIGTERM does, and watch it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import named, no_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.cli.asking import AdminPages

ALL = "*"
"""What the page has for all nodes."""
LOOK_EVERY = 0.2
"""Seconds."""
Wait = Annotated[bool, typer.Option("--wait", "-w", metavar="", help="Show how far it is, until it has ended.")]


Node = Annotated[
    str | None, typer.Option("--node", metavar="NAME", callback=named, help="Another node of the cluster, by its name.")
]
All = Annotated[bool, typer.Option("--all", metavar="", help="All nodes of the cluster, which ends with them.")]


def drain(
    wait: Wait = False,
    node: Node = None,
    all_: All = False,
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """Have a gateway stop as SIGTERM does: answer what it accepted, send its clients away, and end.

    Where it has several workers all of them stop, whichever is asked. Any node of a cluster can be asked to have
    another one stop, by its name in quicgw cluster status, or what stands before the point in it where no other has
    that. Asking again changes nothing. With --wait the command ends when the gateway has; Ctrl-C ends the watching
    alone. Exit status 0: it drains, or with --wait has ended. 1: refused, as by a gateway inside of another program, or
    nodes did not answer. 3: no gateway there, or it is too old for that.
    """
    from quicgw_fast.cli.asking import refusal
    from quicgw_fast.cli.tables import say_document

    if all_ and (wait or node is not None):
        raise typer.BadParameter(
            "goes without --node and without --wait, which follows one gateway", param_hint="--all"
        )
    named = ALL if all_ else node
    with options.failures_as_json(json):
        pages = options.admin_pages(admin, config, token_file, timeout)
        status, answer = pages.ask("POST", "/drain" if named is None else f"/drain?{urlencode({'node': named})}")
        if status == 200 and wait:
            left = _left(pages.of_workers(answer)) if node is None else _left_at(answer["nodes"][0], pages)
            answer = {**answer, "ended_after": _watch(left, quiet=json)}
    silent = answer.get("unreached_nodes", ()) if status == 200 else ()
    if json:
        say_document(answer)
    elif status != 200:
        print(f"refused: {refusal(answer)}")
    elif wait:
        print(f"ended after {answer['ended_after']:.1f} s")
    else:
        who = f"{', '.join(answer['nodes'])}: " if named is not None else ""
        print(f"{who}drains, at most {answer['at_most']:g} s{no_answer(silent, so='which goes on')}")
    raise typer.Exit(Status.DONE if status == 200 and not silent else Status.NO)


def _watch(left: Iterator[str], *, quiet: bool) -> float:
    """Show what is left until nothing is; return how many seconds that took."""
    from quicgw_fast.cli.tables import live_line

    began = time.monotonic()
    with live_line(quiet=quiet) as show:
        for line in left:
            show(line)
            time.sleep(LOOK_EVERY)  # there is no event: another process stops
    return round(time.monotonic() - began, 3)


def _left_at(node: str, pages: AdminPages) -> Iterator[str]:
    """What is left at another node, as one of its cluster sees it, until it has left that, or nobody listens there.

    Where the directory is away, nobody can leave.
    """
    from quicgw_fast.cli.asking import NoAnswer
    from quicgw_fast.cli.tables import counted

    with contextlib.suppress(NoAnswer):  # it was this one
        while views := [view for view in pages.get("/cluster")["nodes"] if view["name"] == node]:
            (view,) = views
            if view.get("ended"):  # older nodes do not know
                return
            yield f"{counted(view['sessions'], 'session')} open" if view["reached"] else "it does not answer"


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
