"""What nodes that are no more had claimed does not stay in the directory for ever."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from quicgw_fast.clock import SystemClock
from quicgw_fast.cluster.entries import DirectoryEntries
from quicgw_fast.cluster.keys import Keys
from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.sweeping import Sweeping
from quicgw_fast.observe import Metrics
from tests.cluster.town import LEASE

if TYPE_CHECKING:
    from tests.cluster.town import Inhabitant, Town
    from tests.support.directory_server import DirectoryServer


def sweeping_of(inhabitant: Inhabitant, metrics: Metrics) -> Sweeping:
    """As the node's own, but without a rest."""
    node = inhabitant.node
    entries = DirectoryEntries(node.link, Keys("quicgw"), node.name, 1, LEASE, lambda: node.membership.current)
    parts = node.membership, node.lease, node.promises, entries
    return Sweeping(node.name, *parts, SystemClock(), metrics, dead_for=0.0, rest=0.0)


async def swept(sweeping: Sweeping, metrics: Metrics, claims: int) -> None:
    async with asyncio.timeout(20):
        while metrics.count("claims_swept") < claims:
            with contextlib.suppress(DirectoryUnavailable):  # on a machine with much to do
                await sweeping.step()
            await asyncio.sleep(0.05)


async def test_claims_of_a_dead_node_go_with_what_led_to_them(town: Town, empty_server: DirectoryServer) -> None:
    first, second = await town.join("a"), await town.join("b")
    for number in range(3):
        await first.come(f"user-{number}", f"{number:032x}")
        first.node.placement.settled(f"user-{number}", f"{number:032x}", "e", f"gid-{number}")
    await second.come("alive", "f" * 32)
    metrics = Metrics()
    sweeping = sweeping_of(second, metrics)
    await sweeping.step()
    assert metrics.count("claims_swept") == 0, "the first of the nodes does it, and it lives"
    await town.die("a")
    await swept(sweeping, metrics, 3)
    for _ in range(2):  # once more: who led to it may have been before it on the way
        await sweeping.step()
    keys = empty_server.command("KEYS", "*:[sg]id:*").decode().split()
    assert [key for key in keys if "id:" in key] == ["{quicgw}:sid:" + "f" * 32]
    assert (await second.come("user-0", "e" * 32)).here, "nobody is known to have it"
