"""``quicgw cluster``: which gateways are one, and how each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.text import examples, help_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADINGS = ("NODE", "ADDRESS", "STATE", "VERSION", "UP", "SESSIONS", "AWAY", "LEASE", "LATENCY", "DIRECTORY")

LINES = "quicgw cluster status", "quicgw cluster status --admin 127.0.0.1:9000 --json"
HELP = "Which gateways are one, and how they are."

cluster = typer.Typer(add_completion=False, no_args_is_help=True, help=HELP)


@cluster.callback(help=HELP, epilog=examples(*LINES))
def _of_clusters() -> None:
    # There is one command so far: without this it would be the whole of it, and its name an argument too many.
    pass


def status(
    admin: options.AdminAddress = None,
    config: options.Config = None,
    token_file: options.AdminTokenFile = None,
    timeout: options.AnswerTimeout = 5.0,
    json: options.JsonObject = False,
) -> None:
    """List the nodes of a cluster, as one of them sees them.

    Exit status 0: done. 1: a node does not answer, or cannot reach the directory. 3: no gateway there, or it is alone.
    """
    from quicgw_fast.cli.statuses import Status
    from quicgw_fast.cli.tables import counted, say_document, table

    with options.failures_as_json(json):
        found = options.admin_pages(admin, config, token_file, timeout).get("/cluster")
    nodes: list[dict[str, Any]] = found["nodes"]
    if json:
        say_document(found)
    else:
        print("\n".join([*table(HEADINGS, _rows(nodes)), counted(len(nodes), "node")]), flush=True)
    if not all(node["reached"] and node["directory"] == "up" for node in nodes):
        raise typer.Exit(Status.NO)


def _rows(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    from quicgw_fast.cli.tables import lasting

    for node in nodes:
        if not node["reached"]:
            yield node["name"], node["address"], "unreachable", *[""] * 6, node["reason"]
            continue
        numbers = (str(node[key]) for key in ("sessions", "sessions_detached"))
        lease = f"{node['lease_remaining']:.1f} s"
        latency = f"{1000 * node['directory_latency']:.1f} ms"
        who = node["name"], node["address"], node["state"], node["version"], lasting(node["uptime"])
        yield *who, *numbers, lease, latency, node["directory"]


cluster.command("status", help=help_of(status), epilog=examples(*LINES))(status)
