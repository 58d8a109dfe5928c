"""What was promised to a session that ends before it came back: kept for the next one, where no connection took it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def kept(store: MemoryStore) -> int:
    return store.stats().messages


async def resume_window_passes(house: House) -> None:
    house.clock.advance(120.5)
    house.housekeeping.round(house.clock.now, house.clock.wall)
    await house.settle()


async def test_what_was_retained_for_a_session_that_expires_is_stored(house: House, store: MemoryStore) -> None:
    """What went to a connection before is not: whether the client has it, the gap report leaves to the client."""
    client = await house.online()
    await house.push(content="under way")
    client.link.lose()
    assert [(await house.push(content=text)).message for text in ("first", "second")] == ["retained", "retained"]
    assert kept(store) == 0
    await resume_window_passes(house)
    assert kept(store) == 2
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "first", "second"]
    assert all(push.headers["offline-id"] for push in again.numbered[1:])


async def test_what_was_cached_for_a_login_that_never_came_is_stored(house: House, store: MemoryStore) -> None:
    client = house.started()
    assert (await house.push(content="early")).message == "cached"
    client.link.lose()
    await resume_window_passes(house)
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "early"]


async def test_a_fresh_start_gets_what_the_replaced_session_retained(house: House, store: MemoryStore) -> None:
    client = await house.online()
    client.link.lose()
    await house.push(content="retained")
    again = house.started()
    again.call("hello")
    await house.settle()
    assert again.texts == ["200 ", "retained"]


async def test_a_stop_of_the_client_leaves_nothing_behind(house: House, store: MemoryStore) -> None:
    client = house.started()
    await house.push(content="cached")
    client.stop()
    await house.settle()
    assert kept(store) == 0
