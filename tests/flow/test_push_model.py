"""Random lives of one client whose pushes ask for everything at once, against what was promised to their senders.

Whatever comes in whatever order: numbers have no gap, every sender that waits is told exactly one thing, ACKNOWLEDGED
only of what the client has acknowledged, and nothing comes to the client that was reported as too old or superseded
before. In the end the accounts are even, and nobody is left who waits.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import LostReason, PushOutcome, SyncHint
from quicgw_fast.flow.receipts import Receipt
from quicgw_fast.store import MemoryStore
from tests.flow.house import House, text_of
from tests.flow.receipts import Waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.session import Fate
    from tests.flow.house import Client

    MakeHouse = Callable[..., Awaitable[House]]

STEPS = 250
SEEDS = range(12)
NEVER_AGAIN = (LostReason.TTL, LostReason.SUPERSEDED)
SESSION = {"window_messages": 12, "resume_window": 20.0, "bind_timeout": 10.0}


class Life:
    """The client, who believes nothing, and those who push to it."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.house = house
        self.chance = chance
        self.client: Client | None = None
        self.id = self.epoch = ""
        self.have = self.acked = 0
        self.requests = 0
        self.history: dict[int, str] = {}
        """What came under which number of this session."""
        self.taken = 0
        """Messages of the connection that were looked at."""
        self.pushes: dict[str, Waiting] = {}
        self.gone: set[str] = set()
        """Contents that nobody may see any more."""
        self.acknowledged: set[str] = set()

    # What is checked after each step

    def look(self) -> None:
        client = self.client
        if client is not None:
            new, self.taken = client.numbered[self.taken :], len(client.numbered)
            for push in new:
                self.got(push.seq_id, text_of(push))
        for content, push in self.pushes.items():
            if not push.waits and push.answer.success and content not in self.gone:
                outcome, reason = push.told
                if outcome is PushOutcome.LOST and reason in NEVER_AGAIN:
                    self.gone.add(content)
                if outcome is PushOutcome.ACKNOWLEDGED:
                    assert content in self.acknowledged, f"{content} was never acknowledged"

    def got(self, number: int, text: str) -> None:
        if number <= self.have:
            assert self.history[number] == text, "a number came again with something else"
            return
        assert number == self.have + 1, f"after {self.have} came {number}"
        assert text not in self.gone, f"{text} came after it was reported to be lost"
        self.have = number
        self.history[number] = text

    # Steps

    def push(self) -> None:
        chance, content = self.chance, f"n{len(self.pushes)}"
        wishes: dict[str, object] = {"wait_ack_ms": chance.choice([0, 3000, 30_000, 60_000])}
        if chance.random() < 0.4:
            wishes["ttl_ms"] = chance.choice([500, 3000, 30_000])
        if chance.random() < 0.3:
            wishes["idempotency_key"] = content
        where = chance.random()
        if where < 0.4:
            wishes["supersede_key"] = chance.choice("abc")
        elif where < 0.6:
            hint = chance.choice([SyncHint.BEFORE_RESPONSE, SyncHint.AFTER_RESPONSE])
            wishes |= {"hint": hint, "client_seq": max(1, self.requests + chance.randint(-1, 2))}
        self.pushes[content] = Waiting(self.house, content=content, **wishes)
        if "idempotency_key" in wishes and chance.random() < 0.5:
            Waiting(self.house, content=content, **wishes)

    def ack(self) -> None:
        if self.client is None or self.client.ended or self.have == self.acked:
            return
        number = self.chance.randint(self.acked + 1, self.have)
        self.note_acknowledged(number)
        self.client.ack(number)

    def note_acknowledged(self, number: int) -> None:
        self.acknowledged |= {self.history[each] for each in range(self.acked + 1, number + 1) if each in self.history}
        self.acked = number

    def lose(self) -> None:
        if self.client is not None and not self.client.ended:
            self.client.link.lose()
            self.client = None

    def come_back(self) -> None:
        if self.client is not None and not self.client.ended and self.chance.random() < 0.7:
            return
        fresh = self.chance.random() < 0.1
        claim = (0, "", "") if fresh or not self.id else (self.have, self.id, self.epoch)
        if claim[0]:  # it says that it has so many
            self.note_acknowledged(self.have)
        self.client = client = self.house.connect()
        self.taken = 0
        answer = client.start("alice", *claim)
        assert answer.success
        if not answer.resumed:
            self.history.clear()
            self.have = self.acked = claim[0]
            self.requests = 0
        self.id, self.epoch = answer.connection_id, answer.epoch
        client.seq = self.requests = answer.max_client_seq

    def call(self) -> None:
        if self.client is not None and not self.client.ended:
            self.requests = self.client.call("hello" if self.chance.random() < 0.6 else "slow")

    def answer(self) -> None:
        for call in self.house.upstream.waiting():
            call.answer()

    def congest(self) -> None:
        if self.client is not None:
            self.client.link.pending = 1 << 20

    def relieve(self) -> None:
        if self.client is not None and not self.client.ended:
            self.client.link.relieve()

    def kick(self) -> None:
        if self.chance.random() < 0.15:
            self.house.path.kicks.kick(openid="alice")

    def stop(self) -> None:
        if self.client is not None and not self.client.ended and self.chance.random() < 0.1:
            self.client.stop()

    async def pass_time(self) -> None:
        await self.house.pass_time(self.chance.choice([0.1, 0.5, 2.0, 12.0]))

    async def go(self) -> None:
        steps = [self.push] * 8 + [self.ack] * 3 + [self.call] * 2 + [self.come_back] * 4
        steps += [self.answer, self.congest, self.relieve, self.relieve, self.lose, self.kick, self.stop]
        for _ in range(STEPS):
            if self.chance.random() < 0.15:
                await self.pass_time()
            else:
                self.chance.choice(steps)()
            await self.house.settle()
            self.look()

    async def end(self) -> None:
        """Nobody waits any longer than may be."""
        await self.house.pass_time(61.0)
        self.look()
        assert not [content for content, push in self.pushes.items() if push.waits]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stored", [False, True])
async def test_every_sender_is_told_one_true_thing(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch, stored: bool, seed: int
) -> None:
    told: dict[Receipt, int] = {}
    settle = Receipt.settle

    def count(receipt: Receipt, fate: Fate) -> None:
        told[receipt] = told.get(receipt, 0) + receipt.waits
        settle(receipt, fate)

    monkeypatch.setattr(Receipt, "settle", count)
    house = await make_house(store=MemoryStore() if stored else None, session=SESSION)
    house.upstream.held.add("slow")
    life = Life(house, random.Random(seed))
    await life.go()
    await life.end()
    assert set(told.values()) <= {1}
    assert house.count("push_receipts_open") == house.count("push_receipts_stored") == 0
    for account in house.accounts().values():
        stored_now = account.get("stored", 0)
        assert account["accepted"] == account["delivered"] + account["lost"] + account["open"] + stored_now
    assert sum(not push.waits and push.answer.success for push in life.pushes.values()) > 40
    await asyncio.sleep(0)
