"""What one echo of 128 bytes costs the plain transport: aioquic as it is, ours on aioquic's way, and on the short path.

Each listener has a process of its own, whose CPU time is read from the operating system. The clients are quinn's, in
this process, with one request under way on each connection. The variants take turns for some rounds, as the machine
is never quiet; each is told with its best round, as what others do on the machine only adds, and as ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

from benches.transport import ALPN, BODY, LIMITS, Echo, Unwatched
from benches.whole_path import cpu_seconds
from quicgw_fast.clock import SystemClock
from quicgw_fast.transport import Connection, development_certificate, dial, listen
from tests.support.gatekeeper import gatekeeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VARIANTS = {"aioquic as it is": "stock", "ours, aioquic's way": "whole", "ours, the short path": "short"}


class StockEcho(QuicConnectionProtocol):
    """The same echo on aioquic's own server."""

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data)
            self.transmit()


async def serve_stock(certificate: Path, key: Path) -> int:
    """Listen with aioquic's own server; return the port."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=list(ALPN), idle_timeout=LIMITS.idle_timeout)
    configuration.load_cert_chain(certificate, key)
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=StockEcho)
    port: int = server._transport.get_extra_info("sockname")[1]  # type: ignore[union-attr]
    return port


async def serve_ours(certificate: Path, key: Path, *, short_path: bool) -> int:
    """Listen with ours; return the port."""
    listener = await listen(
        "127.0.0.1", 0, certificate=certificate, private_key=key, factory=Echo, alpn=ALPN,
        limits=replace(LIMITS, short_path=short_path),
        gatekeeper=gatekeeper(retry_above=100_000, max_half_open=100_000, handshakes_per_second=1e6),
        observer=Unwatched(), reset_key=os.urandom(32), clock=SystemClock(),
    )  # fmt: skip
    return listener.address[1]


async def listener(variant: str, folder: Path) -> None:
    """Listen until standard input ends."""
    certificate, key = development_certificate(folder)
    if variant == "stock":
        port = await serve_stock(certificate, key)
    else:
        port = await serve_ours(certificate, key, short_path=variant == "short")
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@dataclass
class Caller:
    """The handler of a client: one request under way, always."""

    connection: Connection
    received_bytes: int = 0
    answers: int = 0

    def received(self, data: bytes) -> None:
        if self.connection.closed:
            return
        self.received_bytes += len(data)
        while self.received_bytes >= len(BODY) * (self.answers + 1):
            self.answers += 1
            self.connection.send(BODY)

    def writable(self) -> None: ...

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        if by_peer:
            raise RuntimeError(f"a connection was lost: {code:#x} {reason}")


@dataclass
class Variant:
    """A listener's process and the clients that are connected to it."""

    pid: int
    callers: list[Caller] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    async def connect(self, port: int, count: int) -> None:
        def factory(connection: Connection) -> Caller:
            self.callers.append(Caller(connection))
            return self.callers[-1]

        for _ in range(count):
            await dial(
                "127.0.0.1", port, factory=factory, insecure=True, alpn=ALPN, limits=LIMITS, timeout=60.0,
                clock=SystemClock(), maker="quinn",
            )  # fmt: skip

    async def measure(self, seconds: float) -> None:
        """Note the µs of CPU for one echo, with all clients at work."""
        for caller in self.callers:
            caller.connection.send(BODY)
        await asyncio.sleep(seconds / 4)
        used, answers = cpu_seconds(self.pid), self.answers
        await asyncio.sleep(seconds)
        self.costs.append((cpu_seconds(self.pid) - used) / (self.answers - answers) * 1e6)

    @property
    def answers(self) -> int:
        return sum(caller.answers for caller in self.callers)


@asynccontextmanager
async def variant(name: str) -> AsyncIterator[tuple[int, Variant]]:
    """Run a listener in a process; give its port and what is measured of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.echo", "--serve", name,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    one = Variant(process.pid)
    try:
        yield int(await process.stdout.readline()), one
    finally:
        for caller in one.callers:
            caller.connection.close(0, flush=False)
        await asyncio.gather(*(caller.connection.wait_closed() for caller in one.callers))
        process.terminate()
        await process.wait()


async def run(connections: int, seconds: float, rounds: int) -> None:
    """Print one row per variant."""
    measured: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name, how in VARIANTS.items():
            async with AsyncExitStack() as stack:
                port, one = await stack.enter_async_context(variant(how))
                await one.connect(port, connections)
                await one.measure(seconds)
                measured[name] += one.costs
    best = {name: min(costs) for name, costs in measured.items()}
    print(f"{connections} connections, one request under way on each")
    for name, cost in best.items():
        ratios = "".join(f"{cost / other:>8.2f}" for other in best.values())
        print(f"{name:>24}{cost:>8.1f} us/echo, beside the others{ratios}", flush=True)


def main() -> None:
    """Read the arguments; ``--serve`` is for the process with the listener."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connections", nargs="*", type=int, default=[50])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=VARIANTS.values(), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if arguments.serve:
            with tempfile.TemporaryDirectory() as folder:
                runner.run(listener(arguments.serve, Path(folder)))
        else:
            for connections in arguments.connections:
                runner.run(run(connections, arguments.seconds, arguments.rounds))


if __name__ == "__main__":
    main()
