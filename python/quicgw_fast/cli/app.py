"""The commands and what they have in common."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from quicgw_fast.cli.promised import PromisedCommand, PromisingGroup, fit
from quicgw_fast.cli.text import examples

RUN, USE, STEER, PREPARE = "Run", "Be a client", "Look and steer", "Prepare"
"""Sections of the help, in their order."""

_COMMANDS: list[PromisedCommand] = []


def command_line() -> PromisingGroup:
    """Return the whole command for the terminal that is there now."""
    columns = shutil.get_terminal_size().columns
    app = typer.Typer(name="quicgw", cls=PromisingGroup, pretty_exceptions_enable=False)
    app.callback(epilog=_FIRST)(quicgw)
    fit(app, columns)
    group = typer.main.get_command(app)
    assert isinstance(group, PromisingGroup)
    group.columns = columns
    for command in _COMMANDS:
        group.add_command(command)
    return group


def _add(section: str, name: str, summary: str, *lines: str) -> None:
    """Add the command that is the function ``name`` of the module ``cli.name``.

    ``summary`` is the first paragraph of its docstring, so that it need not be imported to be listed; ``lines`` are
    examples.
    """
    _COMMANDS.append(PromisedCommand(section, name, summary, lines))


def _version(wanted: bool) -> None:
    if wanted:
        from quicgw_fast.cli.version import version_line

        typer.echo(version_line())
        raise typer.Exit


_FIRST = examples(
    "quicgw demo                                 see what a gateway does",
    "quicgw dev                                  a gateway to try things out on",
    "quicgw call echo --data hello --insecure    one request to it",
    "quicgw serve --config gateway.toml          the real thing",
)


def quicgw(
    show_version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version and what runs."),
    ] = False,
) -> None:
    """A QUIC access gateway: sessions, strict order and resume in front of gRPC services."""


_add(
    RUN,
    "serve",
    "Run the gateway until SIGTERM or Ctrl-C.",
    "quicgw serve --config gateway.toml",
    "quicgw serve -c gateway.toml --quic 127.0.0.1:0 --admin 127.0.0.1:9000",
    "QUICGW_SESSION__TIMEOUT=1m quicgw serve --config gateway.toml",
)
_add(
    RUN,
    "dev",
    "Run a gateway with embedded services until SIGTERM or Ctrl-C.",
    "quicgw dev",
    "quicgw dev --quic 127.0.0.1:0 --grpc 127.0.0.1:0 --admin 127.0.0.1:0",
    "quicgw dev --config limits.toml",
    "quicgw dev --workers 2",
)
_add(
    STEER,
    "check",
    "Say in one line, with performance data, whether a gateway is well: for Nagios and its kind.",
    "quicgw check --admin 127.0.0.1:9000",
    "quicgw check --warning certificate=30 --critical queue=80 --token-file operator.token",
)
_add(
    STEER,
    "drain",
    "Have a gateway stop as SIGTERM does: answer what it accepted, send its clients away, and end.",
    "quicgw drain --wait",
    "quicgw drain --node gateway-2 --wait",
    "quicgw drain --config gateway.toml --json",
)
_add(
    STEER,
    "reload",
    "Have a gateway read its configuration, certificate and keys again, and print what changed.",
    "quicgw reload --config gateway.toml",
    "quicgw reload --admin 127.0.0.1:9000 --json",
)
_add(
    STEER,
    "upgrade",
    "Have a new process of the gateway take over, with its ports, clients and sessions.",
    "quicgw upgrade --wait",
    "quicgw upgrade --config gateway.toml --json",
)
_add(
    USE,
    "call",
    "Log in, send one request, print the answer and every notify, in the order of their numbers.",
    "quicgw call echo --data hello --insecure",
    "quicgw call calculate -p op=add -p a=1 -p b=2 --ca dev-cert.pem",
    "quicgw call after -p count=3 --openid alice --wait 1s --insecure --json",
    "quicgw call business_msg --data @message.bin --server gateway.example:8443",
)
_add(
    RUN,
    "upstream",
    "Run the embedded services until SIGTERM or Ctrl-C, registered with a gateway.",
    "quicgw upstream --gateway 127.0.0.1:8092",
    "quicgw upstream --mode zone --zone 001 --zone 002 --ports 9001,9002",
)
_add(STEER, "push", "Push a notify to clients through a gateway.")
_add(STEER, "group", "Groups of sessions: who is in them, pushes to all.")
_add(STEER, "cluster", "Which gateways are one, and how they are.")
_add(
    STEER,
    "top",
    "Show gateways live: load, latency, queue, upstreams, refusals, and sessions with what was said.",
    "quicgw top",
    "quicgw top 127.0.0.1:8080 127.0.0.1:8180",
    "quicgw top --once --json",
)
_add(
    STEER,
    "events",
    "Print what happened to the sessions of a gateway, as far back as it keeps that.",
    "quicgw events",
    "quicgw events --follow --openid alice",
    "quicgw events --kind ended --kind reset --json",
)
_add(
    STEER,
    "sessions",
    "List the sessions of a gateway, those of clients that are away (detached) as well.",
    "quicgw sessions --state DETACHED",
    "quicgw sessions --query 10.1.2. --watch",
    "quicgw sessions --limit 1000 --json",
)
_add(
    STEER,
    "session",
    "Show one session and its flight recorder: the last messages, each with its number, size, time and outcome.",
    "quicgw session 4f2a09…",
    "quicgw session openid:alice --admin 127.0.0.1:9000",
)
_add(
    STEER,
    "kick",
    "End sessions for good: their clients are closed with KICKED and cannot resume.",
    "quicgw kick openid:alice --reason 'too many accounts'",
    "quicgw kick session:4f2a09… --admin 127.0.0.1:9000",
)
_add(
    PREPARE,
    "doctor",
    "Look at everything that a gateway's start or a night could stumble over, and say what mends it.",
    "quicgw doctor",
    "quicgw doctor --config gateway.toml --json",
)
_add(
    STEER,
    "audit",
    "Put everything that somebody needs who is to help into one archive, without anything secret.",
    "quicgw audit --config gateway.toml",
    "quicgw audit --admin 127.0.0.1:9000 --token-file operator.token --output audit.tar.gz",
)
_add(
    PREPARE,
    "gencert",
    "Make a certificate for a server or a client, and an authority that signs it: for development and inner networks.",
    "quicgw gencert",
    "quicgw gencert --name gateway.internal --name 127.0.0.1 --days 90 --out tls",
    "quicgw gencert --client billing --ca certs/ca.pem",
)
_add(
    PREPARE,
    "genconfig",
    "Write a configuration file with every key, its default and what it means.",
    "quicgw genconfig --output gateway.toml",
    "quicgw genconfig --minimal > gateway.toml",
)
_add(
    PREPARE,
    "checkconfig",
    "Name every mistake in a configuration, each with its line, without starting anything.",
    "quicgw checkconfig gateway.toml",
    "quicgw checkconfig gateway.toml --json",
)
_add(
    PREPARE,
    "config",
    "Print the values with which a gateway would start here, each with where it comes from.",
    "quicgw config --config gateway.toml --changed",
    "QUICGW_SESSION__TIMEOUT=1m quicgw config --json",
    "quicgw config --schema > quicgw.schema.json",
)
_add(
    PREPARE,
    "gentoken",
    'Print a token for a client of a gateway with auth.mode = "jwt".',
    "quicgw gentoken alice --key secret.key --ttl 8h",
    "quicgw gentoken alice --new-key keys --algorithm EdDSA --audience game",
)
_add(
    USE,
    "repl",
    "Log in and talk: call actions, and see notifies, lost connections and resumes as they come.",
    "quicgw repl --insecure",
    "quicgw repl gateway.example:8443 --openid alice --token $TOKEN",
    "echo 'call echo -- hello' | quicgw repl -k --json",
)
_add(
    USE,
    "bench",
    "Put load on a gateway, measure it, and check that every promise is kept.",
    "quicgw bench --insecure --pid 4711",
    "quicgw bench 127.0.0.1:8443 -k --sessions 200 --in-flight 2 --duration 30s --json > run.json",
    "quicgw bench -k --rate 5000 --action echo=9 --action time --payload 128=3 --payload 4KiB --compare run.json",
    "quicgw bench -k --sessions 20 --action before --action after --param count=2",
)
_add(
    RUN,
    "demo",
    "Start a gateway with its services, connect real clients, show and check what happens.",
    "quicgw demo",
    "quicgw demo --clients 50 --requests 5000 --fast",
)
_add(
    PREPARE,
    "version",
    "Show the version and what runs: engine, transport, upstream client, Python.",
    "quicgw version",
    "quicgw version --json",
    "QUICGW_FAST=1 quicgw version",
)
