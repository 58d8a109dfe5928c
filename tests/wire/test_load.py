"""Many clients at once, notifies bound at random: every order and every number checked."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Rejected, answer

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

CLIENTS, REQUESTS = (int(n) for n in os.environ.get("TEST_LOAD", "60x30").split("x"))
"""``TEST_LOAD=200x100`` for the full size."""
AS_TOLD = "the service failed with INTERNAL"
"""What a client reads where the service was told to fail."""


class BusyUpstream:
    """Answers at random moments, now and then with a failure, and binds notifies to its replies."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(seed)
        self.bound: Counter[str] = Counter()
        self.before: dict[tuple[str, int], list[bytes]] = {}
        self.after: dict[tuple[str, int], list[bytes]] = {}
        self.immediate: dict[str, list[bytes]] = {}

    async def handle(self, request: UpstreamRequest) -> UpstreamResponse:
        openid, client_seq, chance = request.openid, request.client_seq_id, self._random
        for n in range(chance.choice((0, 0, 1, 1, 2, 3))):
            hint = chance.choice((0, 1, 2))
            data = b"%d/%d/%d" % (client_seq, hint, n)
            reply = await self._world.pusher.push(openid, data=data, hint=hint, bind=client_seq, within=30)
            assert reply.success, reply
            if hint == 0:
                self.immediate.setdefault(openid, []).append(data)
            else:
                (self.before if hint == 1 else self.after).setdefault((openid, client_seq), []).append(data)
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.02)
        if chance.random() < 0.05:
            raise Rejected
        return answer(request, data=b"%d" % client_seq)


async def work(client: RawClient, requests: int, seed: int) -> list[int]:
    """Send requests with up to eight outstanding and acknowledge on the way; returns their msg_ids by seq."""
    chance = random.Random(seed)
    messages: list[int] = []
    for n in range(requests):
        messages.append(client.business("echo"))
        if n >= 8:
            await client.reply(messages[n - 8], within=50)
        if chance.random() < 0.2:
            client.ack(client.last_seq)
        if chance.random() < 0.05:
            client.heartbeat()
    for message in messages:
        await client.reply(message, within=50)
    return messages


def check(client: RawClient, openid: str, messages: list[int], busy: BusyUpstream) -> None:
    client.assert_gap_free(1)
    pushes = client.numbered[1:]
    place = {push.msg_id: index for index, push in enumerate(pushes) if push.msg_id}
    assert len(place) == len(messages) == sum(push.msg_id > 0 for push in pushes), "a reply missing or twice"
    for client_seq, message in enumerate(messages, 2):
        at = place[message]
        before, after = busy.before.get((openid, client_seq), []), busy.after.get((openid, client_seq), [])
        group = [wire.business(push).data for push in pushes[at - len(before) : at]]
        assert group == before, f"{openid} {client_seq}: {group} instead of {before} before the reply"
        group = [wire.business(push).data for push in pushes[at + 1 : at + 1 + len(after)]]
        assert group == after, f"{openid} {client_seq}: {group} instead of {after} behind the reply"
        if pushes[at].type == pb.PUSH_BUSINESS_DATA:
            assert wire.business(pushes[at]).data == b"%d" % client_seq
        else:
            assert wire.error(pushes[at]).detail == AS_TOLD, wire.describe(pushes[at])
    immediate = [
        wire.business(push).data for push in pushes if wire.is_notify(push) and b"/0/" in wire.business(push).data
    ]
    assert sorted(immediate) == sorted(busy.immediate.get(openid, []))


@pytest.mark.timeout(300)
async def test_many_clients_with_notifies_bound_at_random(make_world: WorldMaker) -> None:
    # All are to be served: how long a queue may stand, and how many calls a service can do with, are questions of other
    # tests, and on a busy machine the answer would be no.
    base = await make_world()
    addresses = {name: [getattr(base, name).address] for name in ("hello", "zone")}
    world = await make_world(processor={"queue_target": "1h"}, upstream={**addresses, "adaptive_concurrency": False})
    busy = BusyUpstream(world, seed=11)
    base.zone.on("echo", busy.handle)
    names = [f"user-{n}" for n in range(CLIENTS)]
    clients = [await world.online(name) for name in names]
    rounds = (work(client, REQUESTS, seed) for seed, client in enumerate(clients))
    results = await asyncio.gather(*rounds)
    for name, client in zip(names, clients, strict=True):
        expected = (
            1
            + REQUESTS
            + sum(len(ids) for log in (busy.before, busy.after) for (openid, _), ids in log.items() if openid == name)
        )
        await client.wait_count(expected + len(busy.immediate.get(name, [])), within=20)
    for name, client, messages in zip(names, clients, results, strict=True):
        check(client, name, messages, busy)
        assert client.closed is None
    assert len(base.zone.seen) == CLIENTS * REQUESTS
