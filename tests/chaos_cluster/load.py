"""What goes on while nodes live and die: requests, answers, and pushes of every kind through nodes drawn by chance.

All of it is told to ledgers, which ``judging`` holds against what each client received.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import grpc

from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto import service_pb2
from tests.support import wire
from tests.support.chaos_client import ChaosClient, Habits
from tests.support.checker import Ledger
from tests.support.raw_upstream import RawPusher, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.raw_upstream import RawUpstream
    from tests.support.udp_proxy import UdpProxy

    Anywhere = Callable[[], RawPusher | None]

GROUP = "everybody"
MOST_OPEN = 6
"""Requests of one client without a reply."""
HABITS = Habits(dead_after=1.2, handshake=1.0, heartbeat=0.3, wants_answers=True)
PUSH_WITHIN = 6.0
UNKNOWN = "may have been taken"
"""What a refusal says that is none for sure."""


class Arrival(NamedTuple):
    """A request at the service."""

    at: float
    session_id: str
    gateway: str
    data: str


@dataclass(eq=False)
class Player:
    """One openid: its client, what it asked, and what was pushed to it."""

    client: ChaosClient
    asked: dict[str, asyncio.Future[pb.ServerPush | None]] = field(default_factory=dict)
    """Requests by their data."""
    plain: Ledger = field(default_factory=Ledger)
    bound: dict[str, Ledger] = field(default_factory=lambda: {w: Ledger(ordered=False) for w in ("before", "after")})
    arrivals: list[Arrival] = field(default_factory=list)
    """At the service."""

    @property
    def openid(self) -> str:
        """Who it is."""
        return self.client.openid

    def ask(self) -> asyncio.Future[pb.ServerPush | None]:
        """Ask the service one thing more."""
        data = f"r{len(self.asked)} of {self.openid}"
        asked = self.asked[data] = self.client.request("echo", data.encode())
        return asked

    async def answered(self) -> None:
        """Ask until the service has answered."""
        while True:
            reply = await asyncio.shield(self.ask())
            if reply is not None and reply.type == pb.PUSH_BUSINESS_DATA:
                return
            if reply is not None and wire.error(reply).error_code == 401:
                await self.client.request("hello")
            await asyncio.sleep(0.05)


class Load:
    """``players`` play, the service answers and pushes, from enter to exit."""

    def __init__(self, service: RawUpstream, proxy: UdpProxy, anywhere: Anywhere, seed: int, players: int) -> None:
        """``anywhere`` is the way in of a node drawn by chance."""
        self.players = {
            name: Player(ChaosClient(name, proxy.address, seed=seed + number, habits=HABITS))
            for number, name in enumerate(f"user-{number}" for number in range(players))
        }
        self.to_all: dict[str, Ledger] = {"group": Ledger(), "broadcast": Ledger()}
        self.refusals: Counter[str] = Counter()
        """Pushes that were refused, by code."""
        self._anywhere = anywhere
        self._random = random.Random(seed)
        self._by_address: dict[str, RawPusher] = {}
        self._tasks: list[asyncio.Task[None]] = []
        service.on("echo", self._serve)
        service.on("hello", self._serve_hello)

    async def __aenter__(self) -> Load:
        for player in self.players.values():
            await player.client.__aenter__()
        await asyncio.gather(*(player.client.login() for player in self.players.values()))
        plays = [self._play(player) for player in self.players.values()]
        pushes = [self._push(player) for player in self.players.values()]
        self._tasks = [asyncio.create_task(work) for work in (*plays, *pushes, self._push_to_all())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        for player in self.players.values():
            await player.client.__aexit__(None, None, None)
        for pusher in self._by_address.values():
            await pusher.close()

    async def stop(self) -> None:
        """Ask and push nothing more; idempotent. Raises what a part of the load failed with."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for failure in ended:
            if isinstance(failure, Exception):
                raise failure

    async def all_answered(self, within: float) -> None:
        """Wait until everybody has got an answer to something asked from now on."""
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(*(player.answered() for player in self.players.values()))
        except TimeoutError:
            said = [f"{name}: {player.client.standing()}" for name, player in self.players.items()]
            raise AssertionError(f"not everybody was answered within {within} s\n" + "\n".join(said)) from None

    async def settled(self, within: float) -> None:
        """Wait until all that was asked has ended in some way."""
        waiting = [asked for player in self.players.values() for asked in player.asked.values()]
        await asyncio.wait(waiting, timeout=within)
        late = [data for player in self.players.values() for data, asked in player.asked.items() if not asked.done()]
        assert not late, f"without a reply: {late}"

    # What clients do

    async def _play(self, player: Player) -> None:
        chance = random.Random(player.openid)
        while True:
            await asyncio.sleep(chance.uniform(0.0, 0.1))
            if sum(not asked.done() for asked in player.asked.values()) < MOST_OPEN:
                player.ask()

    # What the service does

    async def _serve_hello(self, request: service_pb2.UpstreamRequest) -> service_pb2.UpstreamResponse:
        pusher = self._at(request.headers["gateway"])
        joining = service_pb2.JoinGroupRequest(target_type="session", target_id=request.session_id, group=GROUP)
        try:
            await pusher.stub.JoinGroup(joining, timeout=PUSH_WITHIN)
        except grpc.aio.AioRpcError:
            return answer(request, code=503)
        return answer(request)

    async def _serve(self, request: service_pb2.UpstreamRequest) -> service_pb2.UpstreamResponse:
        player, data, gateway = self.players[request.openid], request.data.decode(), request.headers["gateway"]
        player.arrivals.append(Arrival(time.time(), request.session_id, gateway, data))
        chance = random.Random(data)
        await asyncio.sleep(chance.choice((0.0, 0.01, 0.2)))
        for hint, word in ((1, "before"), (2, "after")):
            if chance.random() < 0.5:
                pusher = self._at(gateway) if chance.random() < 0.5 else self._anywhere()
                if pusher is not None:
                    sending = pusher.push(
                        request.session_id,
                        by="session",
                        data=f"{word} {data}".encode(),
                        hint=hint,
                        bind=request.client_seq_id,
                        within=PUSH_WITHIN,
                    )
                    await self._told(player.bound[word], f"{word} {data}", sending)
        return answer(request, data=request.data)

    async def _push(self, player: Player) -> None:
        number = 0
        while True:
            await asyncio.sleep(self._random.uniform(0.0, 0.1))
            pusher = self._anywhere()
            if pusher is not None:
                number += 1
                push_id = f"p{number} to {player.openid}"
                sending = pusher.push(player.openid, data=push_id.encode(), within=PUSH_WITHIN)
                await self._told(player.plain, push_id, sending)

    async def _push_to_all(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(self._random.uniform(0.05, 0.3))
            pusher = self._anywhere()
            if pusher is not None:
                number += 1
                kind = self._random.choice(sorted(self.to_all))
                push_id = f"{kind} {number}"
                self.to_all[kind].sending(push_id)
                try:
                    answer = await self._to_all(pusher, kind, push_id.encode())
                    if answer.sent_count >= len(self.players):
                        self.to_all[kind].outcome(push_id, success=True)
                except grpc.aio.AioRpcError as error:
                    self.refusals[error.code().name] += 1

    async def _to_all(
        self, pusher: RawPusher, kind: str, data: bytes
    ) -> service_pb2.GroupPushResponse | service_pb2.BroadcastResponse:
        if kind == "broadcast":
            return await pusher.broadcast(data, within=PUSH_WITHIN)
        return await pusher.stub.PushToGroup(service_pb2.GroupPushRequest(group=GROUP, data=data), timeout=PUSH_WITHIN)

    async def _told(self, ledger: Ledger, push_id: str, sending: Awaitable[service_pb2.UnicastPushResponse]) -> None:
        """Send a push, and write down what became of it; nothing where nobody knows."""
        ledger.sending(push_id)
        try:
            told = await sending
        except grpc.aio.AioRpcError as error:
            self.refusals[error.code().name] += 1
            return
        if not told.success:
            self.refusals[told.error_code] += 1
        if UNKNOWN not in told.message:
            ledger.outcome(push_id, told.success, told.error_code)

    def _at(self, address: str) -> RawPusher:
        if address not in self._by_address:
            self._by_address[address] = RawPusher(address)
        return self._by_address[address]
