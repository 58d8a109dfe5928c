"""Exactly once and in order over a bad network: nothing here overflows, so no reset is allowed either."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.support.chaos_client import ChaosClient, Habits
from tests.support.checker import Ledger, compare
from tests.support.raw_upstream import answer
from tests.support.udp_proxy import Direction, Impairment, UdpProxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.world import World

    Trouble = Callable[[UdpProxy, ChaosClient], Awaitable[object]]

SHORTEST = 1.0
"""Seconds that the pushes take at least: a short burst would be over before a bad network shows."""
FULL_WINDOW_PAUSE = 0.05


async def blackhole(proxy: UdpProxy, client: ChaosClient) -> None:
    proxy.blackhole(seconds=2.0)


async def blackhole_down(proxy: UdpProxy, client: ChaosClient) -> None:
    proxy.blackhole(Direction.DOWN, seconds=2.0)


async def blackhole_up(proxy: UdpProxy, client: ChaosClient) -> None:
    proxy.blackhole(Direction.UP, seconds=2.0)


async def outage(proxy: UdpProxy, client: ChaosClient) -> None:
    """Longer than the client is patient."""
    proxy.blackhole(seconds=4.0)


async def rebind(proxy: UdpProxy, client: ChaosClient) -> None:
    await proxy.rebind()


async def kill(proxy: UdpProxy, client: ChaosClient) -> None:
    """Cut the connection; on a busy machine the client may not be back yet from the cut before."""
    async with asyncio.timeout(60):
        while not client.alive:
            await asyncio.sleep(0.01)
    client.drop()


@dataclass(frozen=True)
class Cell:
    """A network: what it does all the time, what happens now and then, and what must have shown."""

    both: Impairment | None = None
    """Both directions; otherwise ``up`` and ``down``."""
    up: Impairment = field(default_factory=Impairment)
    down: Impairment = field(default_factory=Impairment)
    trouble: Trouble | None = None
    times: int = 1
    shown: Callable[[UdpProxy, ChaosClient], bool] = lambda proxy, client: True


def did(name: str) -> Callable[[UdpProxy, ChaosClient], bool]:
    return lambda proxy, client: all(getattr(proxy.stats(direction), name) for direction in Direction)


CELLS = {
    "loss 0": Cell(),
    "loss 5": Cell(both=Impairment(loss=0.05), shown=did("lost")),
    "loss 20": Cell(both=Impairment(loss=0.2), shown=did("lost")),
    "loss 20 down": Cell(down=Impairment(loss=0.2)),
    "reorder": Cell(both=Impairment(reorder=0.2), shown=did("overtaken")),
    "duplicate": Cell(both=Impairment(duplicate=0.3), shown=did("duplicated")),
    "corrupt": Cell(both=Impairment(corrupt=0.05), shown=did("corrupted")),
    "delay 300": Cell(both=Impairment(delay=0.15)),
    "jitter": Cell(both=Impairment(delay=0.02, jitter=0.04), shown=did("overtaken")),
    "blackhole": Cell(trouble=blackhole, shown=did("blackholed")),
    "blackhole up": Cell(trouble=blackhole_up),
    "blackhole down": Cell(trouble=blackhole_down),
    "outage": Cell(trouble=outage, shown=lambda proxy, client: client.counts.connections > 1),
    "rebind": Cell(trouble=rebind, times=3, shown=lambda proxy, client: proxy.rebinds == 3),
    "kill": Cell(trouble=kill, times=8, shown=lambda proxy, client: client.counts.connections == 9),
    "kill and loss": Cell(both=Impairment(loss=0.05), trouble=kill, times=5),
    "everything": Cell(
        both=Impairment(loss=0.03, duplicate=0.05, corrupt=0.02, reorder=0.1, delay=0.01, jitter=0.01),
        trouble=kill,
        times=4,
    ),
}


def bind_around(world: World, bound: Ledger) -> None:
    """Make ``echo`` bind a notify before and one after each reply."""

    async def handler(request: UpstreamRequest) -> UpstreamResponse:
        for hint, word in ((1, "before"), (2, "after")):
            push_id = f"{word} {request.data.decode()}"
            bound.sending(push_id)
            reply = await world.pusher.push(
                request.openid, data=push_id.encode(), hint=hint, bind=request.client_seq_id
            )
            bound.outcome(push_id, reply.success, reply.error_code)
        return answer(request, data=request.data)

    world.zone.on("echo", handler)


def assert_groups_whole(client: ChaosClient, requests: int) -> None:
    """Every reply stands between its two notifies."""
    data = [entry.push_id for chapter in client.history.chapters for entry in chapter.entries]
    for number in range(requests):
        at = data.index(f"r{number}")
        assert data[at - 1 : at + 2] == [f"before r{number}", f"r{number}", f"after r{number}"]


async def push_all(world: World, client: ChaosClient, ledger: Ledger, pushes: int) -> str:
    """Push one after the other, waiting a little where the window is full; returns the last id accepted."""
    last = ""
    number = 0
    while len(ledger.accepted) < pushes:
        push_id = f"p{number}"
        number += 1
        ledger.sending(push_id)
        reply = await world.pusher.push(client.openid, data=push_id.encode())
        ledger.outcome(push_id, reply.success, reply.error_code)
        if reply.success:
            last = push_id
            await asyncio.sleep(SHORTEST / pushes)
        else:
            assert reply.error_code == "WINDOW_FULL", reply
            await asyncio.sleep(FULL_WINDOW_PAUSE)
    return last


async def make_trouble(cell: Cell, proxy: UdpProxy, client: ChaosClient, seconds: float, seed: int) -> None:
    """Spread a cell's troubles at random over the time that the pushes take."""
    chance = random.Random(seed)
    if cell.trouble is not None:
        for _ in range(cell.times):
            await asyncio.sleep(seconds / cell.times * chance.uniform(0.5, 1.0))
            await cell.trouble(proxy, client)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(CELLS))
async def test_every_push_comes_exactly_once_and_in_order(world: World, name: str, seed: int, pushes: int) -> None:
    cell = CELLS[name]
    bound, ledger = Ledger(ordered=False), Ledger()
    bind_around(world, bound)
    proxy = UdpProxy(world.address, seed=seed, up=cell.both or cell.up, down=cell.both or cell.down)
    async with proxy, ChaosClient("alice", proxy.address, seed=seed, habits=Habits(dead_after=2.5)) as client:
        await client.login(within=60)
        troubles = make_trouble(cell, proxy, client, SHORTEST + pushes / 1500, seed)
        requests = [client.request("echo", f"r{n}".encode()) for n in range(20)]
        last, _ = await asyncio.gather(push_all(world, client, ledger, pushes), troubles)
        requests += [client.request("echo", f"r{n}".encode()) for n in range(20, 40)]
        async with asyncio.timeout(120):
            replies = await asyncio.gather(*requests)
        await client.received(last, within=120)
        await client.received("after r39", within=120)
        assert cell.shown(proxy, client), (client.counts, {d: proxy.stats(d) for d in Direction})
    problems = compare(client.history, ledger) + compare(client.history, bound)
    assert not problems, "\n".join(problems[:20])
    assert not client.history.resets, [(c.reason, c.headers) for c in client.history.resets]
    assert len(client.history.chapters) == 1
    assert all(replies)
    assert not client.counts.refused
    assert_groups_whole(client, 40)
