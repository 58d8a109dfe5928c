"""Soak a gateway: ``python -m benches.soak idle`` or ``churn``, each over both transports, printed as a table."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benches.compiled import services
from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination, gateway
from benches.soak import churn as churning
from benches.soak import idle as idling
from benches.soak.visits import Visited
from benches.soak.watched import Watched
from quicgw_fast.cli.descriptors import raise_descriptor_limit
from quicgw_fast.config import split_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

COMBINATIONS = {"plain": PLAIN, "fast": FAST}
_COUNTED = "benches.soak.counted_gateway"


@asynccontextmanager
async def running(
    combination: Combination, tables: Mapping[str, Mapping[str, Any]], module: str
) -> AsyncIterator[tuple[str, Watched]]:
    """Run a gateway with services; give its QUIC address and what looks at it."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(combination, Path(folder), upstreams, module=module, limits=NO_LIMITS, **tables) as (where, pid),
        ):
            yield where["quic"], Watched(where["admin"], pid)


async def idle(name: str, sessions: int, seconds: float) -> str:
    """Run one row of the idle table."""
    async with running(COMBINATIONS[name], {}, "quicgw_fast") as (address, watched):
        return (await idling.idle(address, watched, sessions, seconds)).line(name)


async def churn(name: str, visits: int) -> str:
    """Run one row of the churn table; what has become more goes to standard error."""
    async with running(COMBINATIONS[name], churning.TABLES, _COUNTED) as (address, watched):
        found = await churning.churn(Visited(*split_address(address)), watched, visits)
    for what, count in (*found.failures.items(), *found.grown(10).items()):
        print(f"{name}: {what}: {count}", file=sys.stderr)
    return found.line(name)


async def run(arguments: argparse.Namespace) -> None:
    """Print the table, row by row."""
    raise_descriptor_limit()
    print(idling.HEADER if arguments.what == "idle" else churning.HEADER, flush=True)
    for name in arguments.parts or COMBINATIONS:
        if arguments.what == "idle":
            row = idle(name, arguments.sessions, arguments.seconds)
        else:
            row = churn(name, arguments.visits)
        print(await row, flush=True)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="Soak a gateway, and show what is left of it.")
    parser.add_argument("what", choices=("idle", "churn"))
    parser.add_argument("parts", nargs="*", choices=(*COMBINATIONS, []), help="plain, fast; both without one")
    parser.add_argument("--sessions", type=int, default=10_000, help="that are idle")
    parser.add_argument("--seconds", type=float, default=600.0, help="for which they are")
    parser.add_argument("--visits", type=int, default=50_000, help="of clients that come and go")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
