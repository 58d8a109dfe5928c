"""``quicgw bench``: load for a gateway, measured and checked."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from quicgw_fast.cli import options
from quicgw_fast.cli.options import Seconds
from quicgw_fast.cli.text import file_path, named, pairs, peer_address, plain
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.transport.trusted import Trusted

Kind = TypeVar("Kind")

MOST_SESSIONS = 100_000
MOST_WEIGHT = 1000
MOST_PAYLOAD = (1 << 20) - (1 << 12)
"""Bytes: a message may have 1 MiB with all that is around the data."""
MOST_RATE = 10_000_000
SESSIONS_PER_SOCKET = 500


def _offered(value: float | None) -> float | None:
    """Check a rate; the parser's own bounds have strange words for ``nan``."""
    if value is not None and not 0 <= value <= MOST_RATE:
        raise typer.BadParameter(f"{value:g}: must be a number from 0 to {MOST_RATE}")
    return value


Address = Annotated[
    str, typer.Argument(metavar="[ADDRESS]", callback=peer_address, help="The gateway's QUIC address, HOST:PORT.")
]
Sessions = Annotated[int, typer.Option("--sessions", "-n", metavar="N", min=1, max=MOST_SESSIONS, help="Clients.")]
_IN_FLIGHT_HELP = "Closed loop: each client keeps so many requests under way; 1 unless --rate is given."
InFlight = Annotated[
    int | None, typer.Option("--in-flight", "-f", metavar="N", min=1, max=10_000, help=_IN_FLIGHT_HELP)
]
_RATE_HELP = "Open loop: so many requests a second in all, whatever comes back. 0: clients that only stay."
Rate = Annotated[float | None, typer.Option("--rate", "-r", metavar="N", callback=_offered, help=_RATE_HELP)]
_ACTION_HELP = "Action to call, and its weight in the mix. Repeatable."
Action = Annotated[list[str], typer.Option("--action", "-a", metavar="NAME[=WEIGHT]", help=_ACTION_HELP)]
_PAYLOAD_HELP = "Bytes of data, as 128 or 4KiB, and their weight. Repeatable."
Payload = Annotated[list[str], typer.Option("--payload", metavar="SIZE[=WEIGHT]", help=_PAYLOAD_HELP)]
Params = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="Of every request. Repeatable.")
]
Ramp = Annotated[
    float,
    Seconds(
        "--ramp",
        zero=True,
        default="0",
        help="The clients begin spread over this time, and the rate of an open loop grows with them. Without it, that "
        "begins when all are there.",
    ),
]
WarmUp = Annotated[float, Seconds("--warm-up", zero=True, default="2s", help="Load before anything is measured.")]
Duration = Annotated[float, Seconds("--duration", "-d", default="10s", help="How long to measure.")]
_REPLY_HELP = "How long replies may take at the end; later is a violation."
ReplyTimeout = Annotated[float, Seconds("--reply-timeout", default="35s", help=_REPLY_HELP)]
ConnectTimeout = Annotated[
    float, Seconds("--connect-timeout", default="10s", help="How long a client may take to log in.")
]
_PID_HELP = "The gateway's process: its processor time for each request is told, that of its children included."
Pid = Annotated[int | None, typer.Option("--pid", metavar="PID", min=1, help=_PID_HELP)]
_COMPARE_HELP = "A run that --json wrote: figures and ratios are shown beside it."
Compare = Annotated[Path | None, typer.Option("--compare", metavar="FILE", callback=file_path, help=_COMPARE_HELP)]
_OPENID_HELP = "Openids are PREFIX-0, PREFIX-1 and so on. Default: a random name."
Openid = Annotated[str | None, typer.Option("--openid", "-o", metavar="PREFIX", callback=named, help=_OPENID_HELP)]
_KEY_HELP = 'Secret (HS256) that signs a token for each client, for auth.mode = "jwt".'
Key = Annotated[Path | None, typer.Option("--key", metavar="FILE", callback=file_path, help=_KEY_HELP)]
_CA_HELP = "PEM file of the certificate authority to trust."
Ca = Annotated[Path | None, typer.Option("--ca", metavar="FILE", callback=file_path, help=_CA_HELP)]
Insecure = Annotated[bool, typer.Option("--insecure", "-k", metavar="", help="Accept any certificate; for tests only.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="Show no progress.")]


def bench(
    address: Address = "127.0.0.1:8443",
    sessions: Sessions = 50,
    in_flight: InFlight = None,
    rate: Rate = None,
    action: Action = ["echo"],  # noqa: B006 - typer makes a new one
    payload: Payload = ["128"],  # noqa: B006
    param: Params = None,
    ramp: Ramp = 0.0,
    warm_up: WarmUp = 2.0,
    duration: Duration = 10.0,
    reply_timeout: ReplyTimeout = 35.0,
    connect_timeout: ConnectTimeout = 10.0,
    pid: Pid = None,
    compare: Compare = None,
    openid: Openid = None,
    key: Key = None,
    ca: Ca = None,
    insecure: Insecure = False,
    quiet: Quiet = False,
    json: options.Json = False,
) -> None:
    """Put load on a gateway, measure it, and check that every promise is kept.

    In a closed loop (--in-flight) the next request leaves when a reply has come; in an open loop (--rate) requests
    leave at their times, and latency counts from those, so that a gateway that stalls is not asked less meanwhile.
    Numbers without holes, one reply for each request, echoed data and the places of bound notifies (actions before and
    after) are checked all the time. Ctrl-C ends it with what there is.

    Exit status 0: measured. 1: a promise was broken, or a session was closed, and it says which. 3: no connection.
    """
    from quicgw_fast.cli.event_loop import run
    from quicgw_fast.cli.load.plan import LoadPlan
    from quicgw_fast.config import split_address

    if ca is not None and insecure:
        raise typer.BadParameter("cannot be combined with --insecure", param_hint="--ca")
    if in_flight is not None and rate is not None:
        raise typer.BadParameter("cannot be combined with --rate, whose loop is open", param_hint="--in-flight")
    host, port = split_address(address)
    actions, payloads = _weighted(action, "--action", _action), _weighted(payload, "--payload", _size)
    params = list(pairs(param or (), "--param").items())
    with options.failures_as_json(json):
        from quicgw_fast.cli.load.processor_time import ProcessorTime
        from quicgw_fast.cli.load.run import Wanted
        from quicgw_fast.cli.load.run import bench as work

        plan = LoadPlan(
            host=host,
            port=port,
            server_name=host,
            authorities=_trusted(host, ca, insecure),
            clients=clients(openid or f"quicgw-bench-{secrets.token_hex(4)}", sessions, key),
            sockets=-(-sessions // SESSIONS_PER_SOCKET),
            in_flight=in_flight or 1,
            rate=rate,
            actions=actions,
            payloads=payloads,
            params=params,
            ramp=ramp,
            warm_up=warm_up,
            duration=duration,
            connect_timeout=connect_timeout,
            reply_timeout=reply_timeout,
        )
        wanted = Wanted(json, quiet, compare, None if pid is None else ProcessorTime.of_gateway(pid))
        raise typer.Exit(run(work(plan, wanted)))


def _weighted(values: list[str], option: str, parse: Callable[[str], Kind]) -> list[tuple[Kind, int]]:
    """Read every ``VALUE`` or ``VALUE=WEIGHT`` of an option."""
    found = []
    for text in values:
        name, equals, weight = text.rpartition("=")
        if not equals:
            name, weight = text, "1"
        if not weight.isascii() or not weight.isdigit() or not 1 <= int(weight) <= MOST_WEIGHT:
            said = f"{text[:40]!r}: the weight must be a whole number from 1 to {MOST_WEIGHT}"
            raise typer.BadParameter(said, param_hint=option)
        try:
            found.append((parse(name), int(weight)))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=option) from None
    return found


def _action(name: str) -> str:
    if not name or name.lower() == "hello":
        raise ValueError(f"{name!r} cannot be measured; name another action (hello is the login, which is timed)")
    return plain(name) or name


def _size(text: str) -> int:
    from quicgw_fast.config import parse_size

    size = int(text) if text.isascii() and text.isdigit() else parse_size(text)
    if not isinstance(size, int) or size > MOST_PAYLOAD:
        raise ValueError(f"{text[:40]} is more than a message may hold ({MOST_PAYLOAD} bytes)")
    return size


def clients(prefix: str, count: int, key: Path | None) -> list[tuple[str, str]]:
    """Return openid and token of each session; no tokens without a key."""
    openids = [f"{prefix}-{number}" for number in range(count)]
    if key is None:
        return [(openid, "") for openid in openids]
    import time

    from quicgw_fast.auth import issue_token

    return [(openid, issue_token(openid, key, wall=time.time(), ttl=86_400.0)) for openid in openids]


def _trusted(host: str, ca: Path | None, insecure: bool) -> list[Trusted] | None:
    """Return who may vouch for the gateway; StartupError for a file that holds nobody."""
    from quicgw_fast.transport.certificates import load_authorities
    from quicgw_fast.transport.seam import Trust
    from quicgw_fast.transport.trusted import trusted

    try:
        return trusted(Trust(host, None if ca is None else load_authorities(ca), insecure))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StartupError(f"--ca: {ca} cannot be used: {why}; give the authority's certificate as PEM") from error
