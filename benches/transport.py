"""What one datagram costs the transport, as connections become many: 10, 100, 1 000, 5 000 of them.

The listener has a process of its own, and its CPU time is read from the operating system. Three loads on each number:
a few connections busy while the rest is silent; the same work handed round over all of them, so that each one is
cold and answers to its own timers; and a request under way on every one of them at once, so that a long queue stands
before somebody's socket. Flat means: a datagram costs at most half more in the last row than in the first.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from benches.gateways import cpu_seconds
from benches.marks.echo import Echo, Unwatched
from quicgw_fast.clock import SystemClock
from quicgw_fast.transport import Connection, TransportLimits, development_certificate, dial, listen
from quicgw_fast.transport.aioquic import dialer
from quicgw_fast.transport.endpoint import Endpoint
from quicgw_fast.transport.reading import Eager
from tests.support.gatekeeper import gatekeeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


SIZES = (10, 100, 1000, 5000)
BUSY = 10
"""Connections that work while the others are silent."""
OUTSTANDING = 50
"""Requests under way at once."""
BODY = b"x" * 128
ALPN = ("echo",)
LIMITS = TransportLimits(idle_timeout=600.0)


@dataclass
class Caller:
    """The handler of a client: one request at a time."""

    connection: Connection
    left: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self) -> None:
        self.left += len(BODY)
        self.answered.clear()
        self.connection.send(BODY)
        await self.answered.wait()

    def received(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left <= 0:
            self.answered.set()

    def writable(self) -> None: ...

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        raise RuntimeError(f"a connection was lost: {code:#x} {reason}")


async def serve(folder: Path) -> None:
    """Listen until standard input ends."""
    certificate, key = development_certificate(folder)
    listener = await listen(
        "127.0.0.1", 0, certificate=certificate, private_key=key, factory=Echo, alpn=ALPN, limits=LIMITS,
        gatekeeper=gatekeeper(retry_above=100_000, max_half_open=100_000, handshakes_per_second=1e6),
        observer=Unwatched(), reset_key=os.urandom(32), clock=SystemClock(), pace=Eager(),
    )  # fmt: skip
    print(listener.address[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await listener.close()


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, int]]:
    """Run ``serve`` in a process; give its port and process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.transport", "--serve",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline()), process.pid
    finally:
        process.terminate()
        await process.wait()


async def connect(port: int, count: int) -> list[Caller]:
    """Open connections, a few at a time, and make one call on each."""
    callers: list[Caller] = []
    places = asyncio.Semaphore(20)

    def factory(connection: Connection) -> Caller:
        callers.append(Caller(connection))
        return callers[-1]

    async def one() -> None:
        async with places:
            await dial(
                "127.0.0.1", port, factory=factory, insecure=True, alpn=ALPN, limits=LIMITS, timeout=60.0,
                clock=SystemClock(),
            )  # fmt: skip

    await asyncio.gather(*(one() for _ in range(count)))
    for caller in callers:
        await caller.call()
    await settle()
    return callers


async def settle() -> None:
    """Wait until this process has nothing more to do: thousands of handshakes leave timers behind."""
    quiet = 0
    while quiet < 20:
        begin = time.monotonic()
        await asyncio.sleep(0.05)
        quiet = quiet + 1 if time.monotonic() - begin < 0.1 else 0


class CountingEndpoint(Endpoint):
    """The clients' endpoint: what it sends is what the server receives."""

    sent = 0

    def send(self, data: bytes, address: Any) -> None:
        CountingEndpoint.sent += 1
        super().send(data, address)


async def measure(pid: int, callers: list[Caller], seconds: float, outstanding: int) -> tuple[float, float]:
    """Hand requests round over ``callers``; return µs of server CPU per datagram, and datagrams per request."""
    turn = itertools.cycle(callers)
    until = time.monotonic() + seconds
    count = 0

    async def lane() -> None:
        nonlocal count
        while time.monotonic() < until:
            await next(turn).call()
            count += 1

    used, sent = cpu_seconds(pid), CountingEndpoint.sent
    await asyncio.gather(*(lane() for _ in range(min(outstanding, len(callers)))))
    sent = CountingEndpoint.sent - sent
    return (cpu_seconds(pid) - used) / sent * 1e6, sent / count


async def run(sizes: list[int], seconds: float, rounds: int) -> None:
    """Print one row per number of connections."""
    dialer.Endpoint = CountingEndpoint  # type: ignore[misc]
    print(f"{'connections':>11}{'10 busy, rest silent':>30}{'all in turn':>30}{'all at once':>30}")
    print(f"{'':>11}" + f"{'us/datagram':>16}{'per request':>14}" * 3, flush=True)
    async with server() as (port, pid):
        callers: list[Caller] = []
        for size in sizes:
            callers += await connect(port, size - len(callers))
            figures = [
                min([await measure(pid, some, seconds, outstanding) for _ in range(rounds)])
                for some, outstanding in ((callers[:BUSY], BUSY), (callers, OUTSTANDING), (callers, size))
            ]
            print(f"{size:>11}" + "".join(f"{us:>16.0f}{each:>14.2f}" for us, each in figures), flush=True)


def main() -> None:
    """Read the arguments; ``--serve`` is for the process with the listener."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if arguments.serve:
            with tempfile.TemporaryDirectory() as folder:
                runner.run(serve(Path(folder)))
        else:
            runner.run(run(sorted(arguments.sizes), arguments.seconds, arguments.rounds))


if __name__ == "__main__":
    main()
