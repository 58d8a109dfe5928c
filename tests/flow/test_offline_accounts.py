"""With an offline store as without: accepted = delivered + lost + open + stored, whatever happened."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import SyncHint
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import MemoryStore
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

SETTINGS = OfflineConfig.model_construct(store="memory", max_messages=6, max_bytes=3000, max_age=400.0)


def balance(house: House) -> dict[str, int]:
    """The accounts of notifies, which must add up; and of responses."""
    accounts = house.accounts()
    for kind in accounts.values():
        assert kind["accepted"] == kind["delivered"] + kind["lost"] + kind["open"] + kind.get("stored", 0), accounts
        assert min(kind.values()) >= 0, accounts
    return accounts["notifies"]


async def test_each_way_of_a_stored_message(make_house: MakeHouse) -> None:
    house = await make_house(store=MemoryStore(SETTINGS))
    for number in range(8):
        await house.push(content=str(number))  # two are refused, and so nobody's
    assert balance(house) == {"accepted": 6, "delivered": 0, "lost": 0, "open": 0, "stored": 6}
    client = house.started()
    client.call("hello")
    await house.settle()
    client.ack(4)
    await house.settle()
    assert balance(house) == {"accepted": 6, "delivered": 3, "lost": 0, "open": 0, "stored": 3}
    client.link.lose()
    for number in range(8):
        await house.push(content=str(number))
    assert balance(house) == {"accepted": 14, "delivered": 3, "lost": 0, "open": 8, "stored": 3}
    await house.pass_time(121.0)
    assert balance(house) == {"accepted": 14, "delivered": 3, "lost": 5, "open": 0, "stored": 6}
    house.clock.advance(1000.0)
    await house.pass_time(1.0)
    assert balance(house) == {"accepted": 14, "delivered": 3, "lost": 11, "open": 0, "stored": 0}


async def test_what_an_earlier_process_left_is_accepted_too(make_house: MakeHouse) -> None:
    store = MemoryStore(SETTINGS)
    await (await make_house(store=store)).push(content="kept")
    after = await make_house(store=store)
    assert balance(after) == {"accepted": 1, "delivered": 0, "lost": 0, "open": 0, "stored": 1}


class History:
    """Random pushes, lives and ends of two openids, with a store that fails now and then."""

    def __init__(self, house: House, store: SlowStore, dice: random.Random) -> None:
        self.house = house
        self.store = store
        self.dice = dice
        self.clients: dict[str, Client] = {}

    async def step(self) -> None:
        openid = self.dice.choice(("alice", "bob"))
        if self.dice.random() < 0.5:
            await self.push(openid)
        elif self.dice.random() < 0.7:
            self.act(openid)
        else:
            await self.happen()
        await self.house.settle()

    async def push(self, openid: str) -> None:
        body = "x" * self.dice.choice((1, 10, 1000))
        hint = self.dice.choice((SyncHint.IMMEDIATELY, SyncHint.IMMEDIATELY, SyncHint.BEFORE_RESPONSE, SyncHint(2)))
        await self.house.push(openid, content=body, hint=hint, client_seq=self.dice.randrange(1, 9) if hint else 0)

    def act(self, openid: str) -> None:
        """Let a client do something."""
        client = self.clients.get(openid)
        if client is None:
            self.clients[openid] = self.house.started(openid)
        elif self.dice.random() < 0.5:
            client.call(self.dice.choice(("hello", "hello", "echo", "slow")))
        elif client.numbers and self.dice.random() < 0.7:
            client.ack(self.dice.choice(client.numbers))
        else:
            del self.clients[openid]
            self.dice.choice((client.stop, client.link.lose, client.link.lose))()

    async def happen(self) -> None:
        match self.dice.randrange(4):
            case 0:
                await self.house.broadcast()
            case 1:
                await self.house.pass_time(self.dice.choice((1.0, 10.0, 125.0)))
            case 2:
                self.store.failing ^= {self.dice.choice(("load", "delete", "sweep"))}
            case _:
                for call in self.house.upstream.waiting():
                    call.answer()


@pytest.mark.parametrize("seed", range(6))
async def test_it_adds_up_after_any_history(make_house: MakeHouse, seed: int) -> None:
    store = SlowStore(SETTINGS)
    session = {"window_messages": 6, "window_bytes": 4000}
    house = await make_house(store=store, session=session)
    house.upstream.held.add("slow")
    history = History(house, store, random.Random(seed))
    for _ in range(300):
        await history.step()
        balance(house)
    house.path.closing.end_all()
    await house.settle()
    assert balance(house)["open"] == 0
    assert balance(house)["accepted"] > 20
    assert not house.count("housekeeping_failed")
