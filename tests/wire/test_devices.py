"""Several devices of one openid over real QUIC and gRPC: random histories, races, what operators and the SDK see."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import quicgw_fast.client as sdk
from quicgw_fast.codes import CloseCode, LifecycleKind
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.devices_driver import DevicesDriver
from tests.support.world import assert_closed
from tests.wire.test_events import until_now

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

WINDOW = 8
STEPS = 70
SEEDS: dict[str | int, int] = {"newest": 1, "refuse": 2, 3: 5}
"""With these all happens that can, as the policy changes on the way."""


async def walk(world: World, policy: str | int, seed: int) -> DevicesDriver:
    chance = random.Random(seed)
    driver = DevicesDriver(world, policy, WINDOW, chance)
    steps = [
        (6, driver.come_fresh),
        (6, driver.come_back),
        (2, driver.come_back_late),
        (2, driver.come_by_number),
        (10, driver.push),
        (4, driver.push_to_one),
        (2, driver.broadcast),
        (6, driver.acknowledge),
        (5, driver.drop),
        (1, driver.stop),
        (1, driver.kick),
        (1, driver.change_policy),
    ]
    for _ in range(STEPS):
        async with asyncio.timeout(20.0):
            await chance.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()
    return driver


@pytest.mark.timeout(300)
@pytest.mark.parametrize("policy", SEEDS)
async def test_random_histories_agree_with_the_model(make_world: WorldMaker, policy: str | int) -> None:
    world = await make_world(session={"devices": policy, "window_messages": WINDOW, "slow_consumer_after": 60})
    driver = await walk(world, policy, SEEDS[policy])
    several = {"pushed to 3", "refused by some"} if policy == 3 else set()
    assert driver.seen >= {"resumed", "superseded", "replaced", "refused", *several}, driver.seen


# Races


async def start_at_once(world: World, claims: list[tuple[int, str, str]]) -> list[RawClient]:
    """Have all connections there, and then all STARTs at once."""
    clients = [await world.connect() for _ in claims]
    await asyncio.gather(*(client.start("alice", "", *claim) for client, claim in zip(clients, claims, strict=True)))
    return clients


def live(world: World) -> int:
    return len(world.gateway._path.registry.devices.of("alice"))


async def test_more_starts_at_once_than_there_are_places(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": 3})
    clients = await start_at_once(world, [(0, "", "")] * 8)
    assert all(client.started.success for client in clients if client.started)
    assert live(world) == 3
    ids = {session.id for session in world.gateway._path.registry.devices.of("alice")}
    stay = [client for client in clients if client.started and client.started.connection_id in ids]
    for client in clients:
        if client not in stay:
            await assert_closed(client, CloseCode.SUPERSEDED)
    assert len(stay) == 3
    for client in stay:
        assert wire.business(await client.hello()).code == 200
    assert (await world.pusher.push("alice", data=b"x")).sessions == 3


async def test_of_many_starts_at_once_one_stays_where_others_are_refused(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": "refuse"})
    clients = await start_at_once(world, [(0, "", "")] * 6)
    answers = [client.started for client in clients if client.started]
    assert sum(answer.success for answer in answers) == 1
    assert {answer.error.error_code for answer in answers if not answer.success} == {403}
    for client in clients:
        if client.started and not client.started.success:
            assert client.start_push
            assert client.start_push.headers["error-code"] == "ALREADY_ONLINE"
            phrase = await assert_closed(client, CloseCode.ALREADY_ONLINE)
            assert phrase == "ALREADY_ONLINE: already online"
    assert live(world) == 1


@pytest.mark.parametrize("order", [1, -1])
async def test_a_resume_that_races_with_fresh_starts(make_world: WorldMaker, order: int) -> None:
    world = await make_world(session={"devices": 2})
    first, second = [await world.online("alice") for _ in range(2)]
    assert first.started
    claim = (1, first.started.connection_id, first.started.epoch)
    claims = [claim, (0, "", ""), (0, "", "")][::order]
    clients = await start_at_once(world, claims)
    assert live(world) == 2
    answers = [client.started for client in clients if client.started]
    assert all(answer.success for answer in answers)
    back = answers[claims.index(claim)]
    assert back.resumed or back.reset_reason == pb.RESET_REASON_EXPIRED
    for client in (first, second):
        await assert_closed(client, CloseCode.SUPERSEDED)


async def test_a_device_that_went_gets_what_was_pushed_when_it_comes_back(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": 2})
    away, there = [await world.online("alice") for _ in range(2)]
    for client in (away, there):
        client.ack(1)
    await away.close()
    await wire.until(lambda: not all(one.attached for one in world.gateway._path.registry), what="the drop")
    waiting = asyncio.ensure_future(world.pusher.push("alice", data=b"both", wait_ack_ms=20_000))
    await there.wait_count(2)
    there.ack(2)
    answer = await waiting
    assert (answer.sessions, answer.outcome, answer.seq_id) == (2, 1, 0)
    back = await world.resumed(away, 1)
    await back.wait_count(1)
    assert [wire.business(push).data for push in back.notifies] == [b"both"]


# What others see


async def test_events_name_the_session(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": 2})
    clients = [await world.online("alice") for _ in range(3)]
    await assert_closed(clients[0], CloseCode.SUPERSEDED)
    events = await until_now(world, openid="alice")
    ids = [client.started.connection_id for client in clients if client.started]
    kinds = Counter((event.session_id, LifecycleKind(event.kind).name) for event in events)
    for session_id in ids:
        assert kinds[session_id, "ATTACHED"] == kinds[session_id, "LOGGED_IN"] == 1
    assert (kinds[ids[0], "DETACHED"], kinds[ids[0], "ENDED"]) == (1, 1)
    assert [event.reason for event in events if event.session_id == ids[0]][-2:] == ["SUPERSEDED", "REPLACED"]


async def test_all_devices_are_listed(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": 2})
    clients = [await world.online("alice") for _ in range(2)]
    found = await world.gateway._views.find({"openid": "alice"}, -1, 10)
    assert {one["id"] for one in found["sessions"]} == {one.started.connection_id for one in clients if one.started}


# The SDK


def connect(world: World, **options: object) -> sdk.Client:
    host, port = world.address
    return sdk.connect(f"{host}:{port}", openid="alice", insecure=True, **options)  # type: ignore[arg-type]


async def test_the_sdk_says_that_somebody_else_is_online(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": "refuse"})
    async with connect(world) as client:
        with pytest.raises(sdk.AlreadyOnline) as caught:
            await connect(world)
        assert isinstance(caught.value, sdk.Forbidden)
        assert str(caught.value).startswith("403 already online: another client of this openid is online")
        await client.call("echo")
    async with connect(world) as other:
        await other.call("echo")


async def test_the_sdk_comes_back_to_its_own_session_where_others_are_refused(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": "refuse"})
    first = await connect(world)
    await first.call("echo")
    ticket = await first.detach()
    async with connect(world, resume=ticket) as again:
        assert again.session_id == ticket.session_id
        with pytest.raises(sdk.AlreadyOnline):
            await connect(world)


async def test_the_sdk_says_that_it_was_superseded(make_world: WorldMaker) -> None:
    world = await make_world(session={"devices": 1})
    first = await connect(world)
    async with connect(world):
        with pytest.raises(sdk.Superseded) as caught:
            await first.next_notify()
        assert caught.value.code == CloseCode.SUPERSEDED
        assert isinstance(caught.value, sdk.ConnectionClosed)
        with pytest.raises(sdk.Superseded):
            await first.call("echo")
