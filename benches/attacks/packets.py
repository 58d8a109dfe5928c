"""Attackers against a gateway process: what honest clients notice, and what the gateway grows by.

Gateway, attacker and honest clients have a process each. Every attack runs against a fresh gateway, beside a run
without one. An attack is one coroutine, marked with ``@attack``, that sends until the time is over and returns how
many datagrams (or messages) and bytes it sent. ``python -m benches.attacks --help`` shows the arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aioquic.buffer import encode_uint_var as var

import quicgw_fast
from benches.whole_path import cpu_seconds, gateway
from quicgw_fast.demo.services import start_services
from quicgw_fast.errors import GatewayError
from tests.support.raw_initial import InitialMaker, crypto, first_packet
from tests.transport.helpers import RawClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HONEST = 10
"""Clients that call ``echo`` ten times a second each."""
PAUSE = 0.1
GIVE_UP = 3.0
"""Seconds after which an honest call counts as failed."""
TICK = 0.01


class Target(NamedTuple):
    """What is attacked, and until when (monotonic seconds)."""

    address: tuple[str, int]
    until: float


class Sent(NamedTuple):
    """What an attack sent."""

    count: int
    size: int


ATTACKS: dict[str, Callable[[Target], Awaitable[Sent]]] = {}


def attack(function: Callable[[Target], Awaitable[Sent]]) -> Callable[[Target], Awaitable[Sent]]:
    """Make an attack known by the function's name; its docstring's first line is shown in the table."""
    ATTACKS[function.__name__] = function
    return function


async def pour(target: Target, rate: float, make: Callable[[int], bytes], batch: int = 1) -> Sent:
    """Send ``rate`` datagrams a second, made by ``make`` of their index, from a socket of its own."""
    count = size = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        begin = time.monotonic()
        while (now := time.monotonic()) < target.until:
            while count + batch <= (now - begin) * rate and time.monotonic() < target.until:
                for _ in range(batch):
                    data = make(count)
                    try:
                        sock.sendto(data, target.address)
                    except BlockingIOError:
                        await asyncio.sleep(TICK)
                    count, size = count + 1, size + len(data)
            await asyncio.sleep(TICK)
    return Sent(count, size)


def scattered(start: int, room: int) -> bytes:
    """One-byte CRYPTO frames with a hole before each."""
    frames, offset = b"", start
    while len(frames) + 6 <= room:
        frames += crypto(offset, b"x")
        offset += 2
    return frames


@attack
async def initial_holes(target: Target) -> Sent:
    """Initials full of one-byte CRYPTO frames behind 500 holes, 500/s"""
    maker = InitialMaker()

    def make(index: int) -> bytes:
        nonlocal maker
        if index % 20 == 0:
            maker = InitialMaker()
        room = maker.room()
        return maker.packet(scattered(4 + 500 * min(maker.number, 2), room))

    return await pour(target, 500, make)


@attack
async def initial_noise(target: Target) -> Sent:
    """Initials that do not decrypt, each with a new connection id, 3 000/s"""
    template = bytearray(InitialMaker().packet(b"\x01"))

    def make(_index: int) -> bytes:
        template[6:14] = os.urandom(8)
        return bytes(template)

    return await pour(target, 3000, make)


@attack
async def hellos_that_fail(target: Target) -> Sent:
    """Complete first packets with another ALPN, from one address, 300/s"""
    return await pour(target, 300, lambda _: first_packet(alpn_protocols=["h3"]))


@attack
async def hellos_without_end(target: Target) -> Sent:
    """Complete first packets of handshakes that never go on, 300/s"""
    return await pour(target, 300, lambda _: first_packet())


@attack
async def long_datagrams(target: Target) -> Sent:
    """Bursts of 16 datagrams of 65 kB, 160/s"""
    noise = random.Random(1).randbytes(65_000)
    return await pour(target, 160, lambda _: b"\x40" + noise, batch=16)


async def established(target: Target, rate: float, make: Callable[[RawClient, int], bytes]) -> Sent:
    """Send packets of frames on an established connection, and on a new one whenever it is closed."""
    count = size = 0
    begin = time.monotonic()
    while time.monotonic() < target.until:
        async with RawClient(target.address) as client:
            await client.connected()
            first = count
            while time.monotonic() < target.until and client.close_seen is None:
                while count < (time.monotonic() - begin) * rate and client.close_seen is None:
                    frames = make(client, count - first)
                    client.frames(frames)
                    count, size = count + 1, size + len(frames) + 40
                    if count % 5 == 0:
                        await asyncio.sleep(0)
                await asyncio.sleep(TICK)
    return Sent(count, size)


def stream_byte(offset: int) -> bytes:
    """One byte of the stream."""
    return b"\x0e" + var(0) + var(offset) + var(1) + b"x"


@attack
async def stream_holes(target: Target) -> Sent:
    """One-byte STREAM frames behind 120 holes, after the handshake, 500/s"""
    body = b"".join(stream_byte(100 + 2 * step) for step in range(120))
    return await established(target, 500, lambda _client, _index: body)


@attack
async def empty_frames(target: Target) -> Sent:
    """120 empty STREAM frames in each packet, 500/s"""
    return await established(target, 500, lambda _client, _index: (b"\x0e" + var(0) * 3) * 120)


@attack
async def pings(target: Target) -> Sent:
    """120 PINGs in each packet, and nothing is ever acknowledged, 1 000/s"""

    def make(client: RawClient, _index: int) -> bytes:
        client.reading = False
        return b"\x01" * 120

    return await established(target, 1000, make)


@attack
async def too_many_pings(target: Target) -> Sent:
    """1 340 PINGs in each packet, on a new connection whenever it is closed, 500/s"""
    return await established(target, 500, lambda _client, _index: b"\x01" * 1340)


# What honest clients notice


@dataclass
class Row:
    """One run: ``grown`` in MiB of the gateway's memory, ``cpu`` in processors, latencies in ms."""

    name: str
    what: str
    sent: Sent
    seconds: float
    grown: float
    cpu: float
    calls: int
    failed: int
    p50: float
    p99: float

    def line(self) -> str:
        """The row of the table in ``docs/attacks.md``."""
        rate = f"{self.sent.count / self.seconds:.0f}/s, {self.sent.size * 8e-6 / self.seconds:.1f} Mbit/s"
        return (
            f"| {self.what} | {rate if self.sent.count else ''} | {self.grown:+.1f} MiB | {self.cpu:.2f} "
            f"| {self.p50:.1f} / {self.p99:.1f} ms | {self.failed} of {self.calls} |"
        )


HEADER = "| attack | sent | growth | processors | honest p50 / p99 | honest calls failed |\n|---|---|---|---|---|---|"


def resident(pid: int) -> float:
    """MiB of memory that a process has."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def honest(address: str, number: int, until: float, latencies: list[float], failures: list[str]) -> None:
    """Call ``echo`` now and then until the time is over, connecting again as the SDK does."""
    async with quicgw_fast.connect(address, openid=f"honest-{number}", insecure=True) as client:
        while (begin := time.monotonic()) < until:
            try:
                await client.call("echo", data=b"x" * 128, timeout=GIVE_UP)
                latencies.append(time.monotonic() - begin)
            except GatewayError as error:
                failures.append(str(error))
                latencies.append(GIVE_UP)
            await asyncio.sleep(max(0.0, begin + PAUSE - time.monotonic()))


async def run_one(name: str | None, upstreams: dict[str, str], seconds: float) -> Row:
    """Run honest clients beside one attack, or beside none."""
    with tempfile.TemporaryDirectory() as folder:
        async with gateway("auto", Path(folder), upstreams) as (address, pid):
            latencies: list[float] = []
            failures: list[str] = []
            await asyncio.gather(*(honest(address, i, time.monotonic() + 1.0, [], []) for i in range(HONEST)))
            until = time.monotonic() + seconds
            before, used = resident(pid), cpu_seconds(pid)
            clients = [honest(address, i, until, latencies, failures) for i in range(HONEST)]
            sent, *_ = await asyncio.gather(attacker(name, address, seconds), *clients)
            grown, used = resident(pid) - before, cpu_seconds(pid) - used
    cuts = statistics.quantiles(latencies, n=100)
    what = (ATTACKS[name].__doc__ or name) if name else "none"
    return Row(
        name or "none", what, sent, seconds, grown, used / seconds, len(latencies), len(failures),
        cuts[49] * 1e3, cuts[98] * 1e3,
    )  # fmt: skip


async def attacker(name: str | None, address: str, seconds: float) -> Sent:
    """Run an attack in a process of its own."""
    if name is None:
        await asyncio.sleep(seconds)
        return Sent(0, 0)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.attacks", "--attack", address, "--seconds", str(seconds), name,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    count, size = output.split()
    return Sent(int(count), int(size))


async def run(names: list[str], seconds: float) -> None:
    """Print the table, row by row."""
    services = await start_services()
    try:
        print(HEADER, flush=True)
        for name in (None, *names):
            print((await run_one(name, services.addresses, seconds)).line(), flush=True)
    finally:
        await services.stop()


def main() -> None:
    """Read the arguments; ``--attack`` is for the attacker's process."""
    parser = argparse.ArgumentParser(description="Attack a gateway process, and show what honest clients notice.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ATTACKS)}; all without one")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each attack lasts")
    parser.add_argument("--attack", metavar="HOST:PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(ATTACKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    if arguments.attack:
        host, _, port = arguments.attack.rpartition(":")
        target = Target((host, int(port)), time.monotonic() + arguments.seconds)
        print(*asyncio.run(ATTACKS[arguments.names[0]](target)))
    else:
        asyncio.run(run(arguments.names or list(ATTACKS), arguments.seconds))


if __name__ == "__main__":
    main()
