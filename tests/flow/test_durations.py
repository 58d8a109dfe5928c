"""How long requests wait and take is measured once for each, whatever becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.flow.stages import EVERY, STAGES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


def measured(house: House, name: str) -> tuple[int, float]:
    """How many, and how many seconds they took together."""
    shown = house.stats("durations")[name]
    return shown["count"], pytest.approx(shown["sum"])


async def test_a_request_waits_for_a_worker_and_then_for_its_service(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1})
    client, other = await house.online(), await house.online("bob")
    assert measured(house, "queue_wait_logins") == measured(house, "request_time") == (2, 0.0)
    house.upstream.held.add("slow")
    other.call("slow")
    await house.settle()
    client.call("echo")
    house.clock.advance(0.2)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert measured(house, "queue_wait_requests") == (2, 0.2)
    assert measured(house, "request_time") == (4, 0.4)


async def test_what_waits_behind_a_hello_waits_too(make_house: MakeHouse) -> None:
    house = await make_house()
    house.upstream.held.add("hello")
    client = house.started()
    client.call("hello")
    client.call("echo")
    client.call("echo", headers={"timeout-ms": "100"})
    await house.settle()
    house.clock.advance(0.1)
    assert measured(house, "request_time") == (1, 0.1), "its deadline passed there"
    house.clock.advance(0.2)
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert measured(house, "queue_wait_logins") == (1, 0.0)
    assert measured(house, "queue_wait_requests") == (1, 0.3)
    assert measured(house, "request_time") == (3, 0.7)


async def test_short_stages_are_measured_for_one_request_in_so_many(make_house: MakeHouse) -> None:
    house = await make_house()
    client = await house.online()
    for _ in range(2 * EVERY):
        client.call("echo")
        await house.settle()
    house.clock.advance(0.001)
    counts = {stage: measured(house, f"request_stage_{stage}")[0] for stage in STAGES}
    assert counts == {"decode": 3, "reply": 3, "flush": 3}, "of 33 requests the first, the 17th and the 33rd"
    assert measured(house, "request_time")[0] == 2 * EVERY + 1
