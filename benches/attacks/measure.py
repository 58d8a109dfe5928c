"""One attack against one gateway process: what honest clients notice, what the gateway grows by, and what stays."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import quicgw_fast
from benches.attacks.base import ATTACKS, SECRET, SECRET_FILE, Attack, Sent, Target, token
from benches.gateways import FAST, PLAIN, Combination, cpu_seconds, gateway
from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

HONEST = 10
"""Clients that call ``echo`` ten times a second each."""
PAUSE = 0.1
NEWCOMER = 0.25
"""Seconds between two clients that come, log in, call once and leave."""
GIVE_UP = 3.0
"""Seconds after which an honest call, or a newcomer, counts as failed."""
AFTERWARDS = 4.0
"""Seconds behind the attack for which the honest clients go on: it is over, and so should be its effects."""
TRANSPORTS: Mapping[str, Combination] = {"aioquic": PLAIN, "quinn": FAST}
"""Gateways by their makers of QUIC; quinn's has all compiled parts."""


@dataclass
class Seen:
    """What honest clients saw: when each call began, how long it took, and who came in vain."""

    calls: list[tuple[float, float]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    came: int = 0
    turned_away: int = 0

    def milliseconds(self, begin: float, end: float) -> list[float]:
        """How long the calls took that began between the two."""
        return [took * 1e3 for at, took in self.calls if begin <= at < end]


@dataclass(frozen=True)
class Row:
    """One run: memory in MiB above that of before, processor time in processors, latencies in ms."""

    name: str
    what: str
    transport: str
    count: int
    size: int
    seconds: float
    outcome: str
    most: float
    """Memory at its most."""
    kept: float
    """Memory ``AFTERWARDS`` seconds after the attack."""
    cpu: float
    calls: int
    failed: int
    p50: float
    p99: float
    p99_after: float
    failed_after: int
    came: int
    turned_away: int


def memory(pid: int, field: str) -> float:
    """MiB of memory that a process has (``VmRSS``), or had at its most (``VmHWM``)."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields[field].split()[0]) / 1024


def forget_the_most(pid: int) -> None:
    """Let ``VmHWM`` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def honest(address: str, number: int, until: float, seen: Seen) -> None:
    """Call ``echo`` now and then until the time is over, connecting again as the SDK does."""
    name = f"honest-{number}"
    async with quicgw_fast.connect(address, openid=name, token=token(name), insecure=True, thread=False) as client:
        while (begin := time.monotonic()) < until:
            await _timed(lambda: client.call("echo", data=b"x" * 128, timeout=GIVE_UP), seen)
            await asyncio.sleep(max(0.0, begin + PAUSE - time.monotonic()))


async def _timed(call: Callable[[], Awaitable[object]], seen: Seen) -> None:
    begin = time.monotonic()
    try:
        await call()
        seen.calls.append((begin, time.monotonic() - begin))
    except GatewayError as error:
        seen.failures.append((begin, str(error)))
        seen.calls.append((begin, GIVE_UP))


async def newcomers(address: str, until: float, seen: Seen) -> None:
    """Have somebody new come again and again."""

    async def come(name: str) -> None:
        seen.came += 1
        try:
            async with (
                asyncio.timeout(GIVE_UP),
                quicgw_fast.connect(address, openid=name, token=token(name), insecure=True, thread=False) as client,
            ):
                await client.call("echo", timeout=GIVE_UP)
        except (GatewayError, TimeoutError):
            seen.turned_away += 1

    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            if time.monotonic() > until - GIVE_UP / 2:
                return
            group.create_task(come(f"new-{number}"))
            await asyncio.sleep(NEWCOMER)


async def run_one(
    name: str | None,
    upstreams: dict[str, str],
    seconds: float,
    transport: str,
    *,
    python: str = sys.executable,
    afterwards: float = AFTERWARDS,
) -> Row:
    """Run honest clients beside one attack, or beside none; ``python`` is that of another build's gateway."""
    chosen = ATTACKS[name] if name else Attack(None, "none", {})  # type: ignore[arg-type]
    seen, parts = Seen(), TRANSPORTS[transport]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SECRET_FILE).write_text(SECRET)
        attacked = Combination(parts.name, "auto", parts.tables)
        tables = {"processor": {"drain_timeout": "100ms"}, **chosen.tables}
        async with gateway(attacked, Path(folder), upstreams, python=python, **tables) as (addresses, pid):
            address = addresses["quic"]
            await asyncio.gather(*(honest(address, i, time.monotonic() + 1.0, Seen()) for i in range(HONEST)))
            forget_the_most(pid)
            begin = time.monotonic()
            until = begin + seconds
            over = until + afterwards
            before, used = memory(pid, "VmRSS"), cpu_seconds(pid)

            async def attacking() -> tuple[Sent, float, float]:
                sent = await attacker(name, Target(folder=folder, seconds=seconds, **addresses))
                return sent, cpu_seconds(pid) - used, time.monotonic()

            (sent, cpu, end), *_ = await asyncio.gather(
                attacking(), newcomers(address, until, seen), *(honest(address, i, over, seen) for i in range(HONEST))
            )
            most, kept = memory(pid, "VmHWM") - before, memory(pid, "VmRSS") - before
    during, after = seen.milliseconds(begin, until), seen.milliseconds(min(end + 0.5, over - 1.0), over)
    cuts = statistics.quantiles(during, n=100)
    return Row(
        name or "none", chosen.what, transport, sent.count, sent.size, seconds, sent.outcome,
        most, kept, cpu / (end - begin), len(during), sum(at < until for at, _ in seen.failures),
        cuts[49], cuts[98], statistics.quantiles(after, n=100)[98], sum(at >= until for at, _ in seen.failures),
        seen.came, seen.turned_away,
    )  # fmt: skip


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
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return Sent(*json.loads(output))
