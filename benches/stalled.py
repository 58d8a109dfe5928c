"""One client in ten stalls, in each way in which one can: what do the others notice?

Each row is a gateway process of its own, and 100 clients: 90 call ``echo`` in an open loop, and 10 ask as often for
replies of 16 kB. In turns, in the same process, the 10 keep up, and then they stall. What counts is the ratio of both
p99 of the others, as absolute times are those of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benches.compiled import services
from benches.gateways import FAST, NO_LIMITS, PLAIN, gateway
from benches.marks.load import sessions
from quicgw_fast.config import split_address
from tests.support import raw_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.raw_client import RawClient

COMBINATIONS = {"plain": PLAIN, "fast": FAST}
OTHERS = 90
STALLED = 10
RATE = 450.0
"""Requests a second of all others together."""
PUSHED = 16_000
"""Bytes of a reply that a stalled client asks for."""
HEADER = (
    "| transport | one in ten | p50 / p99, ms, if it keeps up | if it stalls | p99 ratio | errors | closed |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Seen:
    """Of the others: latencies in ms."""

    p50: float
    p99: float
    errors: int
    closed: int


async def online(address: str, number: int) -> RawClient:
    """Log a client in whose window is small, so that what it does not read stays with the gateway."""
    client = await raw_client.connect(*split_address(address), receive_window=64 << 10)
    assert (await client.start(f"stalled-{number}")).success
    await client.hello()
    client.ack(client.last_seq)
    return client


async def ask(client: RawClient, seconds: float) -> None:
    """Ask again and again for a large reply."""
    until = asyncio.get_running_loop().time() + seconds
    while client.closed is None and asyncio.get_running_loop().time() < until:
        client.business("echo", {"size": str(PUSHED)})
        await asyncio.sleep(OTHERS / RATE)


async def keeps_up(client: RawClient, seconds: float) -> None:
    """reads and acknowledges"""
    asking = asyncio.create_task(ask(client, seconds))
    while not asking.done():
        await asyncio.sleep(0.1)
        client.ack(client.last_seq)
    await asking


async def reads_nothing(client: RawClient, seconds: float) -> None:
    """reads nothing; QUIC acknowledges"""
    client.pause_reading()
    await ask(client, seconds)


async def acknowledges_nothing(client: RawClient, seconds: float) -> None:
    """reads all and acknowledges nothing"""
    await ask(client, seconds)


async def hears_nothing(client: RawClient, seconds: float) -> None:
    """drops every packet that comes"""
    client.deafen()
    await ask(client, seconds)


async def reads_slowly(client: RawClient, seconds: float) -> None:
    """reads for 10 ms of every second"""
    asking = asyncio.create_task(ask(client, seconds))
    while not asking.done():
        client.pause_reading()
        await asyncio.sleep(0.99)
        if client.closed is None:
            client.resume_reading()
            client.ack(client.last_seq)
        await asyncio.sleep(0.01)
    await asking


async def is_stopped(client: RawClient, seconds: float) -> None:
    """is a process that was stopped (SIGSTOP)"""
    await ask(client, seconds)


WAYS: dict[str, Callable[[RawClient, float], Awaitable[None]]] = {
    way.__name__: way for way in (reads_nothing, acknowledges_nothing, hears_nothing, reads_slowly, is_stopped)
}


async def stall(address: str, way: str, seconds: float) -> None:
    """Be the ten stalled clients, in a process of their own; says when they are there."""
    clients = [await online(address, number) for number in range(STALLED)]
    print("there", flush=True)
    await asyncio.gather(*({**WAYS, keeps_up.__name__: keeps_up}[way](client, seconds) for client in clients))
    for client in clients:
        client.abandon()


@contextlib.asynccontextmanager
async def stalling(address: str, way: str, seconds: float) -> AsyncIterator[None]:
    """Have ten clients stall; ``is_stopped`` has its process stopped once each has something under way."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.stalled", "--stall", address, way, "--seconds", str(seconds + 5.0),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert (await process.stdout.readline()).strip() == b"there"
        await asyncio.sleep(0.3)
        if way == is_stopped.__name__:
            process.send_signal(signal.SIGSTOP)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def measured(address: str, name: str, seconds: float) -> Seen:
    """Put the load of the others on it."""
    openids = [f"{name}-{number}" for number in range(OTHERS)]
    async with sessions(address, openids, rate=RATE) as seen:
        await asyncio.sleep(seconds)
        found = seen()
    latency = found.latency
    return Seen(latency.p50, latency.p99, sum(found.errors.values()), sum(found.closed.values()))


async def row(name: str, way: str, seconds: float, rounds: int) -> str:
    """Measure without and with, in turns in the same gateway, and return the line of the table."""
    without: list[Seen] = []
    stalled: list[Seen] = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            services() as upstreams,
            gateway(COMBINATIONS[name], Path(folder), upstreams, limits=NO_LIMITS) as (where, _),
        ):
            address = where["quic"]
            await measured(address, "first", 1.0)
            for number in range(rounds):
                without.append(await beside(address, keeps_up.__name__, f"without-{number}", seconds))
                stalled.append(await beside(address, way, f"with-{number}", seconds))
    before, after = best(without), best(stalled)
    errors, closed = sum(one.errors for one in stalled), sum(one.closed for one in stalled)
    return (
        f"| {name} | {WAYS[way].__doc__} | {before.p50:.1f} / {before.p99:.1f} | {after.p50:.1f} / {after.p99:.1f} "
        f"| × {after.p99 / before.p99:.2f} | {errors} | {closed} |"
    )


async def beside(address: str, way: str, name: str, seconds: float) -> Seen:
    """Measure the others beside ten that behave in this way."""
    async with stalling(address, way, seconds):
        return await measured(address, name, seconds)


def best(rounds: list[Seen]) -> Seen:
    """The round with the least p99: what another process took of the machine is in the others."""
    return min(rounds, key=lambda seen: seen.p99)


async def run(arguments: argparse.Namespace) -> None:
    """Print the table, row by row."""
    print(HEADER, flush=True)
    for name in COMBINATIONS:
        for way in arguments.ways or WAYS:
            print(await row(name, way, arguments.seconds, arguments.rounds), flush=True)


def main() -> None:
    """Read the arguments; ``--stall`` is for the process of the stalled clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", help=f"of {', '.join(WAYS)}; all without one")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load lasts")
    parser.add_argument("--rounds", type=int, default=3, help="of each, of which the best one counts")
    parser.add_argument("--stall", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.ways) - {*WAYS, keeps_up.__name__}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    if arguments.stall:
        asyncio.run(stall(arguments.stall, arguments.ways[0], arguments.seconds))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(arguments))


if __name__ == "__main__":
    main()
