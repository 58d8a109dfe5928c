"""What happens to simulated nodes and their directory: one schedule for each seed, and what must hold at its end."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from quicgw_fast.cluster.lease import NodeStanding
from tests.cluster.simulated import LEASE, NAMES, OPENIDS, Node, Violation, World
from tests.cluster.toy import ToyDirectory
from tests.cluster.virtual_time import VirtualLoop, run

if TYPE_CHECKING:
    from collections.abc import Sequence


async def play(world: World, steps: int, faults: Sequence[str]) -> None:
    """One schedule, and then everything is well again: is everybody where it should be?"""
    rng = world.rng
    starts = dict.fromkeys(NAMES, 0)
    kinds = rng.sample(faults, rng.randint(0, min(3, len(faults))))
    ordinary = rng.choice((4, 10, 20))
    for name in NAMES:
        world.nodes[name] = Node(world, name, 0)
        await world.nodes[name].start()
    for _ in range(steps):
        await asyncio.sleep(rng.choice((0.0, 0.001, 0.01, 0.05, 0.3, 1.0, 3.0)))
        await _one_step(world, rng.choice((*("come",) * ordinary, "act", "leave", *kinds)), starts)
        for node in list(world.nodes.values()):
            node.tend()
            for openid in OPENIDS:
                node.act(openid)
    await _mend(world, starts)
    for _ in range(60):
        await asyncio.sleep(LEASE / 10)
        for node in world.nodes.values():
            node.tend()
    _judge(world)


async def _one_step(world: World, what: str, starts: dict[str, int]) -> None:
    rng = world.rng
    node, openid = world.nodes[rng.choice(NAMES)], rng.choice(OPENIDS)
    if what == "come" and not node.paused:
        for each in rng.sample(sorted(world.nodes), rng.choice((1, 1, 2))):
            if not world.nodes[each].paused:
                world.begin(_guarded(world, world.nodes[each], openid))
    elif what == "leave":
        node.leave(openid)
    elif what == "pause":
        world.say(f"{node.full} {'goes on' if node.paused else 'paused'}")
        node.paused = not node.paused
    elif what == "cut":
        pair = frozenset(rng.sample((*NAMES, "directory"), 2))
        world.say(f"cut or mended {sorted(pair)}")
        world.cut ^= {pair}
    elif what == "die":
        world.say(f"{node.full} dies")
        await node.die()
        await _begin_anew(world, node.name, starts)
    elif what in ("restart", "forget", "roll back"):
        await _directory_goes(world, what)


async def _guarded(world: World, node: Node, openid: str) -> None:
    try:
        await node.come(openid)
    except Violation as error:
        world.failures.append(error)


async def _begin_anew(world: World, name: str, starts: dict[str, int]) -> None:
    starts[name] += 1
    node = Node(world, name, starts[name])
    world.nodes[name] = node
    node.line.up = False
    node.line.try_again()
    world.begin(node.start())


async def _directory_goes(world: World, how: str) -> None:
    world.say(f"directory {how}")
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in world.toy.data.items()}
    leases = dict(world.toy.until)
    if how == "roll back":  # as a replica that had not heard of the last writes
        await asyncio.sleep(world.rng.choice((0.001, 0.05, 1.0)))
    world.directory_up = False
    for node in world.nodes.values():
        node.line.lost()
    await asyncio.sleep(world.rng.choice((0.2, 2.0, 15.0)))
    if how == "forget":
        world.toy.data.clear()
        world.toy.until.clear()
    elif how == "roll back":
        world.toy.data, world.toy.until = before, leases
    world.run_id = f"run-{world.rng.random()}"
    world.directory_up = True


async def _mend(world: World, starts: dict[str, int]) -> None:
    world.say("all is well again")
    world.cut.clear()
    for node in world.nodes.values():
        node.paused = False


def _judge(world: World) -> None:
    for node in world.nodes.values():
        if node.membership.standing is not NodeStanding.HELD:
            raise world.broken(f"{node.full} is {node.membership.standing}, though all is well")
    for session, openid in world.owner.items():
        having = [node.full for node in world.nodes.values() if node.sessions.get(openid, ("",))[0] == session]
        kept = [
            node.full
            for node in world.nodes.values()
            if any(p.decode().split()[0] == session for claim in node.claims for p in claim.parked)
        ]
        if session in world.ended or session in world.explained:
            continue
        if not having and not kept and session in world.given:
            continue
        if len(having) + len(kept) != 1:
            raise world.broken(f"{session} of {openid} is at {having}, parked at {kept}")
    for openid in OPENIDS:
        acting = [node.full for node in world.nodes.values() if node.acts(openid)]
        having = [node.full for node in world.nodes.values() if openid in node.sessions]
        if acting != having:
            raise world.broken(f"{openid} is at {having}, and acted for at {acting}")


FAULTS = ("pause", "cut", "die", "restart", "forget")


def play_seed(seed: int, steps: int = 60, faults: Sequence[str] = FAULTS) -> World:
    """One schedule; raises Violation, whose message has all that happened."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(seed, loop, random.Random(seed), ToyDirectory(lambda: round(1_800_000_000_000 + loop.time() * 1000)))
    try:
        run(play(world, steps, faults), loop)
    finally:
        asyncio.set_event_loop(None)
    if world.failures:
        raise world.failures[0]
    return world


if __name__ == "__main__":
    import sys

    first, count = int(sys.argv[1]), int(sys.argv[2])
    for number in range(first, first + count):
        play_seed(number)
    print(f"{count} schedules, none of which broke a promise")
