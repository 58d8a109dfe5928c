"""One client in ten stalls, in each way in which one can; the others are answered, in order, and stay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

OTHERS = 9
CALLS = 20
WAYS: dict[str, Callable[[RawClient], None]] = {
    "reads nothing": lambda client: client.pause_reading(),
    "hears nothing": lambda client: client.deafen(),
    "acknowledges nothing": lambda _: None,
}


async def at_work(client: RawClient) -> None:
    """Call again and again, and acknowledge."""
    for number in range(CALLS):
        reply = await client.call("echo", data=b"%d" % number + bytes(500))
        assert wire.business(reply).data == b"%d" % number + bytes(500)
        client.ack(client.last_seq)
    client.assert_gap_free()
    assert client.closed is None


async def ask(client: RawClient) -> None:
    """Ask for more than a connection takes from who does not read."""
    for _ in range(12):
        client.business("echo", data=bytes(50_000))
        await asyncio.sleep(0)


def within_bounds(world: World) -> bool:
    told = world.gateway.stats()["buffered"]
    return all(told["used"][kind] <= told["limit"][kind] for kind in told["used"]) and all(
        told["most"][kind] <= told["most_limit"][kind] for kind in told["most"]
    )


@pytest.mark.parametrize("way", WAYS)
async def test_one_in_ten_that_stalls_is_nobody_elses_business(make_world: WorldMaker, way: str) -> None:
    world = await make_world(session={"slow_consumer_after": "1s", "window_bytes": "512KiB"})
    others = [await world.online(f"other{number}") for number in range(OTHERS)]
    stalled = await world.online("stalled", receive_window=16 << 10)
    WAYS[way](stalled)
    await ask(stalled)
    await asyncio.gather(*(at_work(client) for client in others))
    told = await world.pusher.broadcast(bytes(200))
    assert told.sent_count >= OTHERS
    assert within_bounds(world)
    for client in others:
        await client.wait_for(lambda push: wire.is_notify(push))
        assert client.closed is None
    if way == "hears nothing":  # nor that it is closed
        await wire.until(lambda: world.gateway.stats()["closes"]["gateway"]["SLOW_CONSUMER"] == 1, what="its end")
    else:
        stalled.resume_reading()
        await assert_closed(stalled, CloseCode.SLOW_CONSUMER)
