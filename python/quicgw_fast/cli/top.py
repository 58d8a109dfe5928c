"""``quicgw top``: gateways as they are right now, in a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import ADDRESS, Seconds
from quicgw_fast.cli.statuses import Status
from quicgw_fast.cli.text import peer_address
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from quicgw_fast.cli.watch.reading import Watched


def _addresses(values: list[str] | None) -> list[str]:
    return list(dict.fromkeys(map(peer_address, values or [])))


def top(
    admin: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ADMIN",
            callback=_addresses,
            help=f"Admin addresses, each {ADDRESS}; unless one is given, server.admin of --config.",
        ),
    ] = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    period: Annotated[float, Seconds("--every", "-e", default="2s", help="How often each is asked.")] = 2.0,
    timeout: options.AnswerTimeout = 5.0,
    once: Annotated[bool, typer.Option("--once", metavar="", help="Ask once, print, and end.")] = False,
    json: options.JsonObject = False,
) -> None:
    """Show gateways live: load, latency, queue, upstreams, refusals, and sessions with what was said.

    Keys are shown at the bottom. One that does not answer is shown as down, and comes back when it does. With --once
    the exit status is 0 when all answered, 3 when one did not.
    """
    from quicgw_fast.cli.watch.reading import GatewayReader, Watched

    if json and not once:
        raise typer.BadParameter("is for --once: what goes on has no end", param_hint="--json")
    with options.failures_as_json(json):
        addresses: list[str | None] = list(admin) if admin else [None]
        pages = [options.admin_pages(each, config, token_file, timeout) for each in addresses]
        watched = [Watched(GatewayReader(each)) for each in pages]
        if once:
            raise typer.Exit(_print_once(watched, json))
        _watch(watched, period)


def _print_once(watched: list[Watched], json: bool) -> Status:
    from quicgw_fast.cli.tables import say_document
    from quicgw_fast.cli.watch.once import lines

    for each in watched:
        each.look()
    if json:
        say_document({"gateways": [each.report() for each in watched]})
    else:
        print("\n".join(lines(watched)))
    return Status.FAILED if any(each.trouble for each in watched) else Status.DONE


def is_terminal() -> bool:
    """Whether there is something to draw in, and somebody who presses keys."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _watch(watched: list[Watched], period: float) -> None:
    if not is_terminal():
        raise StartupError("this is no terminal to draw in; use `quicgw top --once`, with --json for a script")
    try:
        from quicgw_fast.cli.watch.app import WatchApp
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "textual":
            raise
        raise StartupError(
            "`quicgw top` draws with textual, which is not installed: pip install 'quicgw-fast[top]'; "
            "`quicgw top --once` does without"
        ) from error
    WatchApp(watched, period).run()
