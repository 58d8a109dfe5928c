"""Whatever happens, accepted = delivered + lost + open (+ stored), per kind, as /stats shows it (protocol §5)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode
from tests.support import wire
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.raw_upstream import Gate
    from tests.support.world import World, WorldMaker

WINDOW = 16
NAMES = ("anna", "bert", "cleo")
STEPS = 60


def accounts(world: World) -> dict[str, dict[str, int]]:
    found: Any = world.gateway.stats()["accounts"]
    return found


class Book:
    """Random lives of a few clients, and what those and the pusher know of them."""

    def __init__(self, world: World, chance: random.Random, gate: Gate) -> None:
        self.world = world
        self.chance = chance
        self.gate = gate
        self.clients: dict[str, RawClient] = {}
        self.seen: dict[str, dict[int, bool]] = {}
        """Of each session, whether the numbers that its client got are notifies."""
        self.acked: dict[str, int] = {}
        self.accepted = {"responses": 0, "notifies": 0}

    def session(self, name: str) -> str:
        started = self.clients[name].started
        assert started is not None
        return started.connection_id

    def read(self, name: str) -> dict[int, bool]:
        seen = self.seen.setdefault(self.session(name), {})
        seen.update({push.seq_id: wire.is_notify(push) for push in self.clients[name].numbered})
        return seen

    def delivered(self) -> dict[str, int]:
        counts = {"responses": 0, "notifies": 0}
        for session, seen in self.seen.items():
            for number, notify in seen.items():
                if number <= self.acked.get(session, 0):
                    counts["notifies" if notify else "responses"] += 1
        return counts

    # What may happen

    async def join(self, name: str) -> None:
        self.clients[name] = await self.world.online(name)
        self.accepted["responses"] += 1

    async def settle(self, name: str) -> bool:
        """Wait until the gateway has read what was sent; False when the connection is over."""
        client = self.clients[name]
        if client.closed is not None:
            return False
        try:
            await client.reply(client.heartbeat())
        except ConnectionError:
            return False
        self.read(name)
        return True

    async def call(self, name: str) -> None:
        if await self.settle(name):
            self.clients[name].business("echo")
            self.accepted["responses"] += 1
            await self.settle(name)

    async def call_what_takes_long(self, name: str) -> None:
        if await self.settle(name):
            self.clients[name].business("slow")
            self.accepted["responses"] += 1
            await self.settle(name)

    async def call_wrongly(self, name: str) -> None:
        if await self.settle(name):
            self.clients[name].business("echo", seq=0)
            self.accepted["responses"] += 1
            await self.settle(name)

    async def push(self, name: str) -> None:
        self.accepted["notifies"] += (await self.world.pusher.push(name)).success

    async def bind(self, name: str) -> None:
        client_seq = self.clients[name].next_seq - 1 + self.chance.randint(0, 2)
        hint = self.chance.choice([1, 2])
        self.accepted["notifies"] += (await self.world.pusher.push(name, hint=hint, bind=client_seq)).success

    async def broadcast(self, _: str) -> None:
        sessions: Any = self.world.gateway.stats()["sessions"]
        await self.world.pusher.broadcast()
        self.accepted["notifies"] += sessions["NORMAL"]  # to an overflowed one it was owed, and is lost

    async def acknowledge(self, name: str) -> None:
        if await self.settle(name):
            number = max(self.read(name), default=0) - self.chance.randint(0, 2)
            if number > self.acked.get(self.session(name), 0):
                self.clients[name].ack(number)
                if await self.settle(name):
                    self.acked[self.session(name)] = number

    async def drop_and_come_back(self, name: str) -> None:
        await self.settle(name)
        before = self.clients[name]
        before.abandon()
        client = await self.world.back(before, self.acked.get(self.session(name), 0))
        self.clients[name] = client
        assert client.started is not None
        if not client.started.resumed:
            client.next_seq = 1
            await self.login(name)

    async def login(self, name: str) -> None:
        await self.clients[name].hello()
        self.accepted["responses"] += 1

    async def take_over(self, name: str) -> None:
        await self.settle(name)
        await self.join(name)

    async def stop(self, name: str) -> None:
        if await self.settle(name):
            self.clients[name].stop()
            await assert_closed(self.clients[name], CloseCode.NORMAL)
        await self.join(name)

    async def expire(self, name: str) -> None:
        """Its moment of going is moved back, so that nobody has to wait for the resume window."""
        await self.settle(name)
        registry = self.world.gateway._path.registry
        await self.clients[name].close()
        session = registry.by_id(self.session(name))
        assert session is not None
        await wire.until(lambda: not session.attached)
        session.detached_at = -1e6
        await wire.until(lambda: registry.by_id(session.id) is None)
        await self.join(name)

    async def fill(self, name: str) -> None:
        while (await self.world.pusher.push(name)).success:
            self.accepted["notifies"] += 1

    async def check(self) -> None:
        live = [s.outbox for s in self.world.gateway._path.registry]
        for name in NAMES:
            await self.settle(name)
        found, delivered = accounts(self.world), self.delivered()
        missed = [outbox.missed(0) for outbox in live]
        still_open = {
            "responses": sum(m[0] for m in missed) + sum(outbox.in_flight for outbox in live),
            "notifies": sum(m[1] for m in missed) + sum(outbox.bound + outbox.held for outbox in live),
        }
        for kind in ("responses", "notifies"):
            account = found[kind]
            assert account["accepted"] == self.accepted[kind], (kind, found)
            assert account["delivered"] == delivered[kind], (kind, found)
            assert account["open"] == still_open[kind], (kind, found)
            rest = account["lost"] + account["open"] + account.get("stored", 0)
            assert account["accepted"] == account["delivered"] + rest, (kind, found)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_accounts_add_up_after_any_history(make_world: WorldMaker, seed: int) -> None:
    world = await make_world(session={"window_messages": WINDOW, "bind_timeout": 1.0})
    gate = world.business.hold("slow")
    book = Book(world, random.Random(seed), gate)
    for name in NAMES:
        await book.join(name)
    often = [book.call, book.call_what_takes_long, book.call_wrongly, book.push, book.bind, book.acknowledge]
    rare = [book.broadcast, book.drop_and_come_back, book.take_over, book.stop, book.expire, book.fill]
    steps = often * (STEPS // 10) + rare * 4
    book.chance.shuffle(steps)
    for number, step in enumerate(steps):
        await step(book.chance.choice(NAMES))
        if number % 8 == 0:
            await book.check()
    sure = [book.take_over, book.call_what_takes_long, book.drop_and_come_back, book.fill, book.broadcast]
    for step in [*sure, book.drop_and_come_back, book.stop, book.expire]:  # whatever the chance was, each at least once
        await step("anna")
    await book.check()
    gate.open()
    await world.business.wait_requests(1)
    for name in NAMES:
        await book.stop(name)
        await book.stop(name)
        client = book.clients[name]
        client.stop()
        await assert_closed(client, CloseCode.NORMAL)
    found, delivered = accounts(world), book.delivered()
    for kind in ("responses", "notifies"):
        account = found[kind]
        assert account["accepted"] == book.accepted[kind]
        assert account["delivered"] == delivered[kind]
        assert account["open"] == 0
        assert account["lost"] == account["accepted"] - account["delivered"] > 0
    counters: Any = world.gateway.stats()["counters"]
    assert min(counters[name] for name in ("overflows", "stops", "sessions_expired", "takeovers", "resumes")) > 0


async def test_stop_counts_the_notifies_that_it_drops(world: World) -> None:
    client = await world.online("alice")
    client.pause_reading()
    for number in range(3):
        assert (await world.pusher.push("alice", data=b"%d" % number)).success
    assert (await world.pusher.push("alice", hint=1, bind=9)).message == "bound"
    client.stop()
    await assert_closed(client, CloseCode.NORMAL)
    assert accounts(world)["notifies"] == {"accepted": 4, "delivered": 0, "lost": 4, "open": 0, "stored": 0}
    assert accounts(world)["responses"] == {"accepted": 1, "delivered": 0, "lost": 1, "open": 0}


async def test_the_gap_report_tells_what_the_accounts_lost(make_world: WorldMaker) -> None:
    world = await make_world(session={"window_messages": 4})
    client = await world.online("alice")
    for _ in range(3):
        await world.pusher.push("alice")
    await client.wait_count(4)
    client.ack(2)
    await client.reply(client.heartbeat())
    for _ in range(3):
        await world.pusher.broadcast()
    await assert_closed(client, CloseCode.SLOW_CONSUMER)
    again = await world.back(client, 3)
    assert again.start_push is not None
    headers = again.start_push.headers
    found = accounts(world)
    assert (found["responses"]["lost"], found["notifies"]["lost"]) == (0, int(headers["gap-notifies"]))
    assert found["notifies"]["delivered"] == 2
    assert int(headers["gap-notifies"]) == found["notifies"]["accepted"] - 2
