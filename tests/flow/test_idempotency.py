"""A push that comes again under its key is not sent again, and answered as the first one was (protocol §4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.codes import PushCode
from tests.flow.receipts import ACKNOWLEDGED, waiting
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


async def test_the_same_key_is_sent_once(house: House) -> None:
    client = await house.online()
    first = await house.push(idempotency_key="k", ttl_ms=1000)
    again = await house.push(idempotency_key="k", ttl_ms=1000)
    assert again == first
    assert client.numbers == [2]
    assert house.count("pushes_repeated") == 1


async def test_another_target_has_its_own_keys(house: House) -> None:
    clients = [await house.online(), await house.online("bob")]
    for target in ("alice", "bob"):
        assert (await house.push(target, idempotency_key="k")).success
    assert [client.numbers for client in clients] == [[2], [2]]


async def test_other_content_under_the_key_is_refused(house: House) -> None:
    client = await house.online()
    await house.push(content="one", idempotency_key="k")
    refused = await house.push(content="two", idempotency_key="k")
    assert (refused.success, refused.error_code) == (False, PushCode.IDEMPOTENCY_CONFLICT)
    assert client.texts == ["one"]
    # How long its sender waits is no content.
    assert (await house.push(content="one", idempotency_key="k", wait_ack_ms=5)).success


async def test_a_refused_push_leaves_no_key(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 1})
    client = await house.online()
    await house.push()
    for _ in range(2):
        assert (await house.push(idempotency_key="k")).error_code == PushCode.WINDOW_FULL
    client.ack(2)
    assert (await house.push(idempotency_key="k")).success
    assert client.numbers == [2, 3]


async def test_a_key_is_forgotten_after_its_time(make_house: MakeHouse) -> None:
    house = await make_house(push={"idempotency_ttl": 10.0})
    client = await house.online()
    await house.push(idempotency_key="k")
    await house.pass_time(9.9)
    await house.push(idempotency_key="k")
    assert client.numbers == [2]
    await house.pass_time(0.2)
    await house.push(idempotency_key="k")
    assert client.numbers == [2, 3]
    assert house.count("push_keys") == 1
    assert house.count("push_keys_forgotten") == 0


async def test_of_too_many_keys_the_oldest_is_forgotten(make_house: MakeHouse) -> None:
    house = await make_house(push={"idempotency_keys": 2})
    client = await house.online()
    for key in "abc":
        await house.push(idempotency_key=key)
    assert (house.count("push_keys"), house.count("push_keys_forgotten")) == (2, 1)
    for key in "bca":
        await house.push(idempotency_key=key)
    assert client.numbers == [2, 3, 4, 5]


async def test_a_long_key_is_refused(house: House) -> None:
    await house.online()
    assert (await house.push(idempotency_key="x" * 129)).error_code == PushCode.BAD_OPTIONS


async def test_while_one_is_under_way_the_second_waits_for_its_answer(make_house: MakeHouse) -> None:
    house = await make_house(store=(store := SlowStore()))
    store.shut("put")
    first, second = await waiting(house, idempotency_key="k"), await waiting(house, idempotency_key="k")
    assert first.waits
    assert second.waits
    store.open("put")
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.numbers == [1, 2]
    client.ack(2)
    await house.settle()
    assert (first.told, second.told) == (ACKNOWLEDGED, ACKNOWLEDGED)


async def test_a_caller_that_goes_away_does_not_take_it_along(make_house: MakeHouse) -> None:
    """It broke off, so it does not know: the next try is told."""
    house = await make_house(store=(store := SlowStore()))
    store.shut("put")
    first = await waiting(house, idempotency_key="k")
    first.task.cancel()
    await house.settle()
    store.open("put")
    second = await waiting(house, idempotency_key="k")
    assert store.stats().stored == 1
    client = house.started()
    client.call("hello")
    await house.settle()
    client.ack(2)
    await house.settle()
    assert second.told == ACKNOWLEDGED
    third = await waiting(house, idempotency_key="k")
    assert third.told == ACKNOWLEDGED
    assert asyncio.all_tasks() == {asyncio.current_task()} or house.count("push_receipts_open") == 0
