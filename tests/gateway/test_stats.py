"""What /stats shows of a gateway: one page, the same sums as its parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quicgw_fast.gateway import Gateway
from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.config import Config
    from tests.support.parts import Parts
    from tests.support.world import World, WorldMaker


def page(world: World) -> Any:
    """The page as somebody reads it."""
    return json.loads(json.dumps(world.gateway.stats()))


async def test_before_the_start_there_is_a_page_but_nobody_listens(config: Callable[..., Config]) -> None:
    gateway = Gateway(config(), dev=True)
    stats = gateway.stats()
    assert (stats["sessions"]["NORMAL"], stats["processor"]["started"]) == (0, False)
    assert not stats.get("transport")
    await gateway.stop()


async def test_once_it_listens_the_listener_is_on_it(world: World) -> None:
    before = page(world)
    assert (before["connections"], before["transport"]["established"]) == (0, 0)
    await world.started("alice")
    after = page(world)
    assert (after["connections"], after["transport"]["established"]) == (1, 1)


async def test_it_shows_who_is_there_and_what_was_done(world: World, parts: Parts) -> None:
    client, new, away = await world.online("alice"), await world.started("new"), await world.online("away")
    assert wire.business(await client.call("echo", data=b"x")).code == 200
    await away.close()
    await wire.until(lambda: page(world)["sessions"]["detached"], what="the end of a connection")
    stats = page(world)
    assert stats["engine"] == parts.engine
    assert stats["uptime"] >= 0
    assert stats["sessions"] == {"INITED": 1, "NORMAL": 2, "detached": 1, "remembered": 0}
    assert stats["transport"]["half_open"] == 0
    assert stats["counters"]["logins"] == 2
    assert stats["processor"]["submitted"] == 1
    assert stats["closes"]["client"]["NORMAL"] == 1
    assert stats["accounts"]["responses"]["accepted"] == 3
    assert new.closed is None


async def test_what_waits_is_there_and_what_is_done_is_gone(make_world: WorldMaker) -> None:
    world = await make_world(limits={"request_memory": "16MiB"})
    client = await world.online("alice")
    gate = world.business.hold("slow")
    message = client.business("slow", data=bytes(5000))
    await world.business.wait_requests(1, "slow")
    stats = page(world)
    assert stats["request_memory"]["limit"] == 16 << 20
    assert 5000 < stats["request_memory"]["used"] < 10_000
    assert stats["processor"]["busy_workers"] == 1
    assert stats["accounts"]["responses"]["open"] == 1 + 1, "and the answer to hello, not acknowledged yet"
    gate.open()
    await client.reply(message)
    client.ack(2)
    await client.reply(client.heartbeat())
    stats = page(world)
    assert (stats["request_memory"]["used"], stats["processor"]["busy_workers"]) == (0, 0)
    assert stats["accounts"]["responses"] == {"accepted": 2, "delivered": 2, "lost": 0, "open": 0}
    assert stats["retained_bytes"] == 0


async def test_a_refusal_is_counted_under_the_rule_that_refused(make_world: WorldMaker) -> None:
    world = await make_world(limits={"in_flight": 1})
    client = await world.online("alice")
    world.business.hold("slow")
    client.business("slow")
    await world.business.wait_requests(1, "slow")
    assert wire.error(await client.reply(client.business("slow"))).error_code == 429
    refused = page(world)["refused"]
    assert {rule: count for rules in refused.values() for rule, count in rules.items() if count} == {"in-flight": 1}
