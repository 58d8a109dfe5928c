"""Runs the attacks, and measures what honest clients notice of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import quicgw_fast
from benches.attacks import guesses, packets, services, sessions  # noqa: F401 - each enters its attacks
from benches.attacks.base import ATTACKS, SECRET, SECRET_FILE, Attack, Sent, Target, token
from benches.gateways import Combination, cpu_seconds, gateway
from quicgw_fast.config.fast import COMPILED
from quicgw_fast.demo.services import start_services
from quicgw_fast.errors import GatewayError

HONEST = 10
"""Clients that call ``echo`` ten times a second each."""
PAUSE = 0.1
GIVE_UP = 3.0
"""Seconds after which an honest call counts as failed."""
HEADER = (
    "| attack | sent | growth | processors | honest p50 / p99 | failed | what came of it |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass
class Row:
    """One run: ``grown`` in MiB of the gateway's memory at its most, ``cpu`` in processors, latencies in ms."""

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
        count, size, outcome = self.sent
        sent = f"{count}, {size * 8e-6 / self.seconds:.1f} Mbit/s" if size else f"{count or ''}"
        return (
            f"| {self.what} | {sent} | {self.grown:+.1f} MiB | {self.cpu:.2f} "
            f"| {self.p50:.1f} / {self.p99:.1f} ms | {self.failed} of {self.calls} | {outcome} |"
        )


def memory(pid: int, field: str) -> float:
    """MiB of memory that a process has (``VmRSS``), or had at its most (``VmHWM``)."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields[field].split()[0]) / 1024


def forget_the_most(pid: int) -> None:
    """Let ``VmHWM`` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def honest(address: str, number: int, until: float, latencies: list[float], failures: list[str]) -> None:
    """Call ``echo`` now and then until the time is over, connecting again as the SDK does."""
    name = f"honest-{number}"
    async with quicgw_fast.connect(address, openid=name, token=token(name), insecure=True) as client:
        while (begin := time.monotonic()) < until:
            try:
                await client.call("echo", data=b"x" * 128, timeout=GIVE_UP)
                latencies.append(time.monotonic() - begin)
            except GatewayError as error:
                failures.append(str(error))
                latencies.append(GIVE_UP)
            await asyncio.sleep(max(0.0, begin + PAUSE - time.monotonic()))


async def run_one(name: str | None, upstreams: dict[str, str], seconds: float, python: str, *, fast: bool) -> Row:
    """Run honest clients beside one attack, or beside none; ``fast`` is a gateway of all compiled parts."""
    chosen = ATTACKS[name] if name else Attack(None, "none", {})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SECRET_FILE).write_text(SECRET)
        tables = {"processor": {"drain_timeout": "100ms"}, **chosen.tables}
        tables |= {name: {**table, **tables.get(name, {})} for name, table in (COMPILED if fast else {}).items()}
        attacked = Combination("default", "auto")
        async with gateway(attacked, Path(folder), upstreams, python=python, **tables) as (addresses, pid):
            address = addresses["quic"]
            latencies: list[float] = []
            failures: list[str] = []
            await asyncio.gather(*(honest(address, i, time.monotonic() + 1.0, [], []) for i in range(HONEST)))
            forget_the_most(pid)
            until = time.monotonic() + seconds
            before, used = memory(pid, "VmRSS"), cpu_seconds(pid)
            clients = [honest(address, i, until, latencies, failures) for i in range(HONEST)]
            sent, *_ = await asyncio.gather(
                attacker(name, Target(folder=folder, seconds=seconds, **addresses)), *clients
            )
            grown, used = memory(pid, "VmHWM") - before, cpu_seconds(pid) - used
    cuts = statistics.quantiles(latencies, n=100)
    return Row(
        chosen.what, sent, seconds, grown, used / seconds, len(latencies), len(failures), cuts[49] * 1e3, cuts[98] * 1e3
    )


async def attacker(name: str | None, target: Target) -> Sent:
    """Run an attack in a process of its own."""
    if name is None:
        await asyncio.sleep(target.seconds)
        return Sent(0, 0)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benches.attacks", "--attack", json.dumps(target.fields()), name,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Sent(*json.loads(output))


async def run(names: list[str], seconds: float, python: str, *, fast: bool) -> None:
    """Print the table, row by row."""
    upstreams = await start_services()
    try:
        print(HEADER, flush=True)
        for name in (None, *names):
            row = await run_one(name, upstreams.addresses, seconds, python, fast=fast)
            print(row.line(), flush=True)
    finally:
        await upstreams.stop()


def main() -> None:
    """Read the arguments; ``--attack`` is for the attacker's process."""
    parser = argparse.ArgumentParser(description="Attack a gateway process, and show what honest clients notice.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ATTACKS)}; all without one")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each attack lasts")
    parser.add_argument("--python", default=sys.executable, help="whose quicgw_fast is the gateway: another build's")
    parser.add_argument("--fast", action="store_true", help="attack a gateway of all compiled parts")
    parser.add_argument("--attack", metavar="TARGET", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(ATTACKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    if arguments.attack:
        target = Target(**json.loads(arguments.attack))
        sent = asyncio.run(ATTACKS[arguments.names[0]].send(target, time.monotonic() + target.seconds))
        print(json.dumps(sent))
    else:
        names = arguments.names or list(ATTACKS)
        asyncio.run(run(names, arguments.seconds, arguments.python, fast=arguments.fast))


if __name__ == "__main__":
    main()
