"""Protocol §3 with a service that stopped: every request has its one reply, and most of them notice nothing."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import PushType
from tests.support import wire
from tests.support.upstream_process import upstream_process

if TYPE_CHECKING:
    from quicgw_fast.proto import client_pb2 as pb
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

CLIENTS = 4


def told(world: World, address: str) -> dict[str, Any]:
    """What /stats says of one instance."""
    instances: list[dict[str, Any]] = world.gateway.stats()["upstream"]["instances"]
    return next(each for each in instances if each["address"] == address)


def code_of(push: pb.ServerPush) -> int:
    """The code of a reply, whichever kind it is."""
    return wire.error(push).error_code if push.type == PushType.ERROR else wire.business(push).code


async def until_ejected(world: World, address: str, ejected: bool) -> None:
    """Wait until the instance is out, or not any more."""
    async with asyncio.timeout(20.0):
        while told(world, address)["ejected"] is not ejected:
            await asyncio.sleep(0.02)


async def test_an_instance_that_is_frozen_is_out_and_comes_back(make_world: WorldMaker) -> None:
    base = await make_world()
    async with upstream_process() as (process, frozen):
        zone = [frozen, base.zone.address]
        world = await make_world(upstream={"hello": [base.hello.address], "zone": zone}, processor={"max_workers": 4})
        clients = [await world.online(f"user-{number}") for number in range(CLIENTS)]
        replies: Counter[int] = Counter()
        going = True

        async def work(client: RawClient) -> None:
            while going:
                push = await client.call("echo", data=b"x")
                replies[code_of(push)] += 1
                await asyncio.sleep(0.005)

        workers = [asyncio.create_task(work(client)) for client in clients]
        while told(world, frozen)["calls"] < 10:
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
        await until_ejected(world, frozen, True)
        calls, before = told(world, frozen)["calls"], replies[200]
        while replies[200] < before + 50:
            await asyncio.sleep(0.02)
        assert told(world, frozen)["calls"] == calls
        process.send_signal(signal.SIGCONT)
        await until_ejected(world, frozen, False)
        while told(world, frozen)["calls"] < calls + 5:
            await asyncio.sleep(0.02)
        going = False
        await asyncio.gather(*workers)
        assert set(replies) <= {200, 500}
        assert 1 <= replies[500] <= 3, "half of the workers at most waited there, and a moment's worth"
        for client in clients:
            client.assert_gap_free()
