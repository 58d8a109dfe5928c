"""The less loaded of two against plain turns, and against the least loaded of all, with one slow instance in four."""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING

from benches.balance.service import service
from benches.balance.side import offer, percentile, side_of
from quicgw_fast.upstream import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.upstream import Directory, Instance

RATE, SECONDS, WORKERS = 400.0, 6.0, 64
FAST, SLOW = 0.005, 0.2


class Turns(Choice):
    """Plain round robin."""

    def __init__(self, directory: Directory, random: Random) -> None:
        super().__init__(directory, random)
        self._members = directory.members
        self._number = 0

    def pick(self, service: str, besides: Instance | None = None) -> Instance:
        self._number += 1
        members = self._members(service)
        return members[self._number % len(members)]


class LeastOfAll(Turns):
    """The one with the fewest calls under way."""

    def pick(self, service: str, besides: Instance | None = None) -> Instance:
        return min(self._members(service), key=lambda instance: instance.in_flight)


WAYS: Sequence[tuple[str, Callable[[Directory, Random], Choice]]] = (
    ("in turn", Turns),
    ("less loaded of two", Choice),
    ("least loaded of all", LeastOfAll),
)


async def compare() -> None:
    """Print a row for each way."""
    print(f"{RATE:g} calls/s, {WORKERS} workers, 4 instances: 3 take {FAST * 1e3:g} ms, 1 takes {SLOW * 1e3:g} ms")
    print(f"{'choice':<22}{'answered':>9}{'p50 ms':>8}{'p90 ms':>8}{'p99 ms':>8}{'at the slow one':>17}")
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(service(each)) for each in (FAST, FAST, FAST, SLOW)]
        for name, way in WAYS:
            addresses = [each.address for each in services]
            async with side_of(addresses, WORKERS, ejection=False, adaptive_concurrency=False) as side:
                side.caller._choice = way(side.directory, Random(1))
                offered = await offer(side, RATE, SECONDS, WORKERS)
                slow = side.directory.instances()[3].calls / max(1, sum(i.calls for i in side.directory.instances()))
            took = [each.took * 1e3 for each in offered if each.good]
            figures = "".join(f"{percentile(took, share):>8.1f}" for share in (0.5, 0.9, 0.99))
            print(f"{name:<22}{len(took) / len(offered):>9.1%}{figures}{slow:>17.1%}")
