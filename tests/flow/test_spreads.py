"""What is for many reaches a session once, whichever node is sooner, and wherever the session is then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.flow import spreads, to_many
from tests.flow.grouping import join, push_to
from tests.flow.street import Pair, Street

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from tests.flow.house import House

    MakePair = Callable[..., Awaitable[Pair]]


async def everywhere(*houses: House, content: str) -> None:
    """As a node does with a broadcast: all get the same."""
    for house in houses:
        await house.broadcast(content, spread_id=content.encode())


async def test_a_session_that_moves_gets_it_once(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    await everywhere(pair.here, content="before")
    await everywhere(pair.there, content="sooner there")
    pair.move()
    await everywhere(pair.there, content="before")
    await everywhere(pair.here, content="sooner there")
    await everywhere(pair.there, pair.here, content="behind")
    assert pair.come_after(client, 1).texts == ["before", "sooner there", "behind"]


async def test_one_that_moves_on_takes_along_what_it_had_before(make_house: Callable[..., Awaitable[House]]) -> None:
    street = Street()
    first = await make_house(elsewhere=street)
    second, third = [await make_house(elsewhere=street, beside=first) for _ in range(2)]
    client = await first.online()
    await everywhere(first, content="news")
    Pair(street, first, second).move()
    on = Pair(street, second, third)
    on.move()
    await everywhere(third, content="news")
    assert on.come_after(client, 1).texts == ["news"]


async def test_a_push_to_a_group_is_for_who_was_in_it(make_pair: MakePair) -> None:
    pair = await make_pair()
    member, other = await pair.here.online("alice"), await pair.here.online("bob")
    await push_to(pair.there, content="too early for anybody", spread_id=b"1")
    await pair.here.pass_time(spreads.CAUGHT_UP + 1.0)
    await join(pair.here, "alice")
    await push_to(pair.there, content="on the way", spread_id=b"2")
    pair.move("alice")
    pair.move("bob")
    assert pair.come_after(member, 1).texts == ["on the way"]
    again = pair.there.connect()
    assert again.start("bob", 1, other.answer.connection_id, other.answer.epoch).resumed
    assert again.texts == []


async def test_one_that_leaves_between_two_slices_gets_it_at_its_new_place(
    make_pair: MakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_many, "SLICE", 1)
    pair = await make_pair()
    clients = {name: await pair.here.online(name) for name in ("bob", "alice")}
    sending = asyncio.create_task(everywhere(pair.here, content="news"))
    await asyncio.sleep(0)
    assert [len(client.texts) for client in clients.values()] == [1, 0], "bob has it, alice has not"
    pair.move()
    await sending
    await everywhere(pair.there, content="news")
    assert pair.come_after(clients["alice"], 1).texts == ["news"]


async def test_what_is_too_much_to_remember_is_a_reset_for_who_missed_it(
    make_pair: MakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreads, "MOST_BYTES", 10)
    pair = await make_pair()
    client = await pair.here.online()
    await everywhere(pair.there, content="x" * 20)
    pair.move()
    again = pair.there.connect()
    answer = again.start("alice", 1, client.answer.connection_id, client.answer.epoch)
    assert (answer.resumed, again.answer_headers["gap-reason"]) == (False, "OVERFLOW")


async def test_what_was_long_ago_is_forgotten(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await pair.here.online()
    await everywhere(pair.there, content="before its time")
    await pair.here.pass_time(spreads.KEPT + 1.0)
    await everywhere(pair.here, pair.there, content="news")
    pair.move()
    assert pair.come_after(client, 1).texts == ["news"]
