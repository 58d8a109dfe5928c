"""One instance of three is stopped (SIGSTOP) under load and goes on later: the whole path, of ``quicgw serve``."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quicgw_fast
from benches.balance.plot import Curve, Panel, draw
from benches.balance.service import service
from benches.balance.side import Offered, percentile
from benches.gateways import FAST, NATIVE, NO_LIMITS, PLAIN, QUINN, gateway
from quicgw_fast.client import QuicgwClientError, ReplyError

if TYPE_CHECKING:
    from benches.balance.service import Service
    from benches.gateways import Combination

SESSIONS, RATE, WORK = 8, 60.0, 0.01
STOP, GO_ON, END = 5.0, 15.0, 25.0
LOOK = 0.25


class Look:
    """What /stats said at a time."""

    def __init__(self, at: float, instances: list[dict[str, Any]]) -> None:
        self.at = at
        self.of = {each["address"]: each for each in instances}


async def run(combination: Combination) -> tuple[list[Offered], Counter[str], list[Look], str]:
    """Return what became of all requests, the errors, the looks at /stats and who was stopped."""
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(service(WORK)) for _ in range(3)]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        addresses = [each.address for each in services]
        upstream: Any = dict.fromkeys(("hello", "business", "zone"))
        running = gateway(combination, Path(folder), {}, limits=NO_LIMITS, upstream=dict.fromkeys(upstream, addresses))
        at, _ = await stack.enter_async_context(running)
        clients = [
            await stack.enter_async_context(
                quicgw_fast.connect(at["quic"], openid=f"user-{number}", insecure=True, thread=False)
            )
            for number in range(SESSIONS)
        ]
        looks: list[Look] = []
        began = time.monotonic()
        watching = asyncio.create_task(watch(at["admin"], looks, began))
        freezing = asyncio.create_task(freeze(services[0], began))
        offered, errors = await offer(clients, began)
        watching.cancel()
        await freezing
    return offered, errors, looks, services[0].address


async def freeze(victim: Service, began: float) -> None:
    """Stop it, and have it go on."""
    await asyncio.sleep(began + STOP - time.monotonic())
    victim.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(began + GO_ON - time.monotonic())
    victim.process.send_signal(signal.SIGCONT)


async def watch(admin: str, looks: list[Look], began: float) -> None:
    """Look at /stats, again and again."""

    def get() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://{admin}/stats") as page:
            found: list[dict[str, Any]] = json.load(page)["upstream"]["instances"]
            return found

    while True:
        looks.append(Look(time.monotonic() - began, await asyncio.to_thread(get)))
        await asyncio.sleep(LOOK)


async def offer(clients: list[Any], began: float) -> tuple[list[Offered], Counter[str]]:
    """Offer requests at a rate, whether or not they are answered."""
    offered: list[Offered] = []
    errors: Counter[str] = Counter()

    async def one(client: Any, at: float) -> None:
        try:
            await client.call("echo", data=b"x" * 128, timeout=20.0)
        except QuicgwClientError as error:
            errors[str(error.code if isinstance(error, ReplyError) else type(error).__name__)] += 1
            offered.append(Offered(at, time.monotonic() - began - at, good=False))
        else:
            offered.append(Offered(at, time.monotonic() - began - at, good=True))

    tasks = []
    for number in range(int(END * RATE)):
        at = number / RATE
        await asyncio.sleep(began + at - time.monotonic())
        tasks.append(asyncio.create_task(one(clients[number % len(clients)], at)))
    await asyncio.gather(*tasks)
    return offered, errors


async def measure() -> str:
    """Print a row for each combination of parts, and return a drawing of the last one."""
    print(f"{RATE:g} requests/s; of 3 instances one is stopped from {STOP:g} s to {GO_ON:g} s")
    print(f"{'parts':<26}{'p99 ms':>8}{'stopped':>9}{'ratio':>7}{'failed':>8}{'out after s':>13}{'back after s':>14}")
    for combination in (PLAIN, NATIVE, QUINN, FAST):
        offered, errors, looks, victim = await run(combination)
        before = percentile([each.took * 1e3 for each in offered if each.good and 1.0 < each.at < STOP], 0.99)
        during = percentile([each.took * 1e3 for each in offered if each.good and STOP < each.at < GO_ON], 0.99)
        out = next((look.at - STOP for look in looks if look.of[victim]["ejected"]), float("nan"))
        later = [look for look in looks if look.at > GO_ON]
        back = next((look.at - GO_ON for look in later if not look.of[victim]["ejected"]), float("nan"))
        print(
            f"{combination.name:<26}{before:>8.1f}{during:>9.1f}{during / before:>7.2f}{errors.total():>8}"
            f"{out:>13.2f}{back:>14.2f}   {dict(errors)}"
        )
    return picture(offered, looks, victim)


def picture(offered: list[Offered], looks: list[Look], victim: str) -> str:
    """Draw the calls that each instance got, what is under way at the one that is stopped, and the latency."""
    calls = []
    for number, address in enumerate(sorted(looks[0].of, key=lambda each: each != victim)):
        gained = [
            (new.at, (new.of[address]["calls"] - old.of[address]["calls"]) / (new.at - old.at))
            for old, new in zip(looks[::4], looks[4::4], strict=False)
        ]
        calls.append(Curve("the one that stops" if not number else f"another ({number})", gained))
    under_way = [Curve("under way", [(look.at, look.of[victim]["in_flight"]) for look in looks])]
    out = [Curve("out", [(look.at, float(look.of[victim]["ejected"])) for look in looks])]
    seconds = [s / 2 for s in range(int(END * 2))]
    took = [
        (s + 0.25, percentile([o.took * 1e3 for o in offered if o.good and s <= o.at < s + 0.5], 0.99)) for s in seconds
    ]
    panels = [
        Panel("calls/s", calls),
        Panel("at the one that stops", [*under_way, *out]),
        Panel("p99 of answered requests, ms", [Curve("p99", took)]),
    ]
    return draw(panels, [(STOP, "SIGSTOP"), (GO_ON, "SIGCONT")])
