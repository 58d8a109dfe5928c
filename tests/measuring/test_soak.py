"""A short soak: clients come and go in all ways, and nothing of them is left; sessions that are idle stay."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from benches.gateways import FAST, NO_LIMITS, PLAIN, Combination, gateway
from benches.soak.churn import TABLES, churn
from benches.soak.idle import idle
from benches.soak.visits import ENDINGS, Visited
from benches.soak.watched import Watched
from quicgw_fast.config import split_address
from quicgw_fast.demo.services import start_services
from tests.support import wire
from tests.support.fixtures import certificate, make_world, parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.world import World, WorldMaker

__all__ = ["certificate", "make_world", "parts"]

SHORT = {"timeout": "3s", "heartbeat_interval": "1s", "resume_window": "500ms", "start_timeout": "3s"}
AT_ONCE = ("stop", "close", "take_over", "refused_start", "no_message")
"""Endings of which the gateway hears: the others are over when it stops waiting."""


def there(world: World) -> dict[str, int]:
    """How many of each there are, by the gateway's own account."""
    stats = world.gateway.stats()
    sessions = stats["sessions"]
    return {
        "sessions": sessions["INITED"] + sessions["NORMAL"],
        "remembered": sessions["remembered"],
        "connections": stats["connections"],
        "half open": stats["transport"]["half_open"],
        **{kind: size for kind, size in stats["buffered"]["used"].items() if kind != "log"},
    }


def living() -> Counter[str]:
    """Objects of a client's that the garbage collector knows."""
    gc.collect()
    kinds = {"Session", "Conversation", "GatesvrCarrier", "AioquicConnection", "QuinnConnection", "GatewayQuic"}
    return Counter(name for name in (type(one).__name__ for one in gc.get_objects()) if name in kinds)


async def test_of_a_visit_nothing_is_left_however_it_ends(make_world: WorldMaker) -> None:
    world = await make_world(session=SHORT)
    visited, before, tasks = Visited(*world.address), living(), len(asyncio.all_tasks())
    await asyncio.gather(*(ENDINGS[name](visited) for name in (*ENDINGS, *ENDINGS)))
    await wire.until(lambda: not any(there(world).values()), what="the end of all that was begun")
    await wire.until(lambda: len(asyncio.all_tasks()) <= tasks, what="the end of all tasks")
    await wire.until(lambda: not living() - before, what="the end of all objects")


@pytest.mark.parametrize("combination", [PLAIN, FAST], ids=lambda combination: combination.name)
async def test_a_gateway_process_is_as_before(combination: Combination, tmp_path: Path) -> None:
    services = await start_services()
    try:
        tables = {**TABLES, "session": SHORT, "events": {"keep": 0}}  # the last events are kept, whoever left
        module = "benches.soak.counted_gateway"
        async with gateway(combination, tmp_path, services.addresses, module=module, limits=NO_LIMITS, **tables) as (
            where,
            pid,
        ):
            watched = Watched(where["admin"], pid)
            found = await churn(Visited(*split_address(where["quic"])), watched, 20, AT_ONCE, silence=2.0)
            assert not found.failures, found.failures
            left = found.left()
            left.pop("timers", 0)  # of an idle timeout, which may go on after its connection
            assert left.keys() <= {"descriptors", "threads", "tasks"}, left
            assert all(count <= 2 for count in left.values()), left  # of whoever looks, and what has just begun
            # Of a log line that is not repeated for a minute there may be one for each address.
            assert not [name for name in found.grown(3) if "quicgw_fast" in name and not name.endswith("_Series")]
            idled = await idle(where["quic"], watched, 5, 3.5)
            assert (idled.dropped, idled.sessions) == (0, 5)
            assert idled.heartbeats >= 5, "their sessions end after three seconds without one"
            assert idled.line("here").startswith("| here | 5 |")
    finally:
        await services.stop()
