"""What happens to a town: a schedule that follows from a seed alone, and how it is carried out."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING, NamedTuple

from tests.support.udp_proxy import Impairment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.chaos_cluster.town import ChaosNode, Town
    from tests.support.udp_proxy import UdpProxy


class Deed(NamedTuple):
    """One thing that happens."""

    at: float
    """Seconds from the beginning."""
    what: str
    node: int
    other: int
    """Another node, where two are concerned."""
    lasting: float
    """Seconds, or a share of something, as it needs one."""
    dice: float
    """Of 0 to 1, for what else there is to choose."""

    def __str__(self) -> str:
        return (
            f"{self.at:6.2f} s: {self.what}, node {self.node} (other {self.other}), {self.lasting:.2f}, {self.dice:.2f}"
        )


KINDS = (
    *("kill", "pause shortly", "pause for long", "stop"),
    *("cut from directory", "cut from node", "cut from all"),
    *("restart directory", "empty directory", "flush directory", "pause directory"),
    *("divert clients", "bad network"),
)


def schedule(seed: int, seconds: float, lease: float, kinds: Sequence[str] = KINDS) -> list[Deed]:
    """All deeds of a storm that lasts so long."""
    chance = random.Random(seed)
    deeds, at = [], 0.0
    pace = chance.choice((0.3, 1.0, 2.0))
    some = chance.sample(kinds, chance.randint(2, len(kinds))) if len(kinds) > 2 else list(kinds)
    while (at := at + chance.uniform(0.2, 2 * pace) * lease) < seconds:
        what = chance.choice(some)
        node, other = chance.sample(range(3), 2)
        short = what in {"pause shortly", "bad network"}
        lasting = lease * (chance.uniform(0.05, 0.8) if short else chance.uniform(0.3, 2.5))
        deeds.append(Deed(at, what, node, other, lasting, chance.random()))
    return deeds


class Storm:
    """Does the deeds of a schedule to a town and its proxy; whatever it breaks is mended at its end."""

    def __init__(self, town: Town, proxy: UdpProxy, seed: int) -> None:
        self.done: list[str] = []
        """What was done, and when that ended."""
        self._town = town
        self._proxy = proxy
        self._random = random.Random(seed)
        self._directory_busy = False
        self._began = 0.0

    async def run(self, deeds: Sequence[Deed]) -> None:
        """Do all of them; return when everything is as it was before."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for deed in deeds:
                await asyncio.sleep(max(0.0, self._began + deed.at - loop.time()))
                tasks.create_task(self._do(deed))

    async def _do(self, deed: Deed) -> None:
        how: dict[str, Callable[[Deed], Awaitable[object]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "pause shortly": self._pause,
            "pause for long": self._pause,
            "cut from directory": self._cut_from_directory,
            "cut from node": self._cut_from_node,
            "cut from all": self._cut_from_all,
            "restart directory": self._restart_directory,
            "empty directory": self._restart_directory,
            "flush directory": self._flush_directory,
            "pause directory": self._pause_directory,
            "divert clients": self._divert,
            "bad network": self._bad_network,
        }
        done = await how[deed.what](deed)
        now = asyncio.get_running_loop().time() - self._began
        self.done.append(f"{deed}: {'left out' if done is False else f'until {now:.2f} s'}")

    # Nodes

    async def _kill(self, deed: Deed) -> bool:
        return await self._with_node(deed, self._killed)

    async def _killed(self, node: ChaosNode, deed: Deed) -> None:
        await node.kill()
        await asyncio.sleep(deed.lasting)
        await node.start()

    async def _stop(self, deed: Deed) -> bool:
        return await self._with_node(deed, self._stopped)

    async def _stopped(self, node: ChaosNode, deed: Deed) -> None:
        await node.stop()
        await node.start()

    async def _pause(self, deed: Deed) -> bool:
        return await self._with_node(deed, self._paused)

    async def _paused(self, node: ChaosNode, deed: Deed) -> None:
        node.signal(signal.SIGSTOP)
        await asyncio.sleep(deed.lasting)
        node.signal(signal.SIGCONT)

    async def _with_node(self, deed: Deed, work: Callable[[ChaosNode, Deed], Awaitable[None]]) -> bool:
        node = self._town.nodes[deed.node]
        if node.busy:
            return False
        node.busy = True
        try:
            await work(node, deed)
        finally:
            node.busy = False
        return True

    # Ways

    async def _cut_from_directory(self, deed: Deed) -> None:
        await self._cut(deed, [(deed.node, "directory")])

    async def _cut_from_node(self, deed: Deed) -> None:
        await self._cut(deed, [(deed.node, f"node-{deed.other}"), (deed.other, f"node-{deed.node}")])

    async def _cut_from_all(self, deed: Deed) -> None:
        others = [number for number in range(3) if number != deed.node]
        there = [(deed.node, name) for name in ("directory", *(f"node-{number}" for number in others))]
        await self._cut(deed, [*there, *((number, f"node-{deed.node}") for number in others)])

    async def _cut(self, deed: Deed, ways: Sequence[tuple[int, str]]) -> None:
        for number, whom in ways:
            self._town.cut(f"node-{number}", whom)
        await asyncio.sleep(deed.lasting)
        for number, whom in ways:
            self._town.mend(f"node-{number}", whom, late=deed.dice < 0.5)

    # The directory

    async def _restart_directory(self, deed: Deed) -> bool:
        return await self._with_directory(self._restarted(deed))

    async def _restarted(self, deed: Deed) -> None:
        directory = self._town.directory
        directory.kill()
        await asyncio.sleep(deed.lasting * deed.dice)
        if deed.what == "empty directory":
            directory.forget()
        await asyncio.to_thread(directory.start)

    async def _pause_directory(self, deed: Deed) -> bool:
        return await self._with_directory(self._paused_directory(deed))

    async def _paused_directory(self, deed: Deed) -> None:
        self._town.directory.pause()
        await asyncio.sleep(deed.lasting)
        self._town.directory.go_on()

    async def _flush_directory(self, deed: Deed) -> bool:
        return await self._with_directory(asyncio.to_thread(self._town.directory.flush))

    async def _with_directory(self, work: Awaitable[None]) -> bool:
        if self._directory_busy:
            asyncio.ensure_future(work).cancel()
            return False
        self._directory_busy = True
        try:
            await work
        finally:
            self._directory_busy = False
        return True

    # Clients

    async def _divert(self, deed: Deed) -> None:
        self._proxy.divert(lambda: self._random.random() < deed.dice)

    async def _bad_network(self, deed: Deed) -> None:
        bad = Impairment(loss=0.1 * deed.dice, reorder=0.1, duplicate=0.05, jitter=0.02)
        self._proxy.impair(bad, bad)
        await asyncio.sleep(deed.lasting)
        self._proxy.impair(Impairment(), Impairment())
