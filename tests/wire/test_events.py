"""What happens to sessions, as watchers over gRPC are told of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import aio

from quicgw_fast.codes import CloseCode, LifecycleKind
from quicgw_fast.config import WebhookConfig
from quicgw_fast.events import read_hooks
from quicgw_fast.proto import service_pb2 as pb
from quicgw_fast.proto.service_pb2_grpc import GatewayServiceStub
from quicgw_fast.upstream.grpcio.gateway_client import GatewayAccess, GatewayClient
from tests.support import raw_upstream
from tests.support.hook_receiver import HookReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.world import World, WorldMaker

Told = tuple[str, str]
"""Kind and reason."""


def told(event: pb.LifecycleEvent) -> Told:
    return LifecycleKind(event.kind).name, event.reason


class Watcher:
    """One call of WatchEvents, over a connection of its own."""

    def __init__(self, address: str, request: pb.WatchEventsRequest, **options: Any) -> None:
        self._channel = aio.insecure_channel(address, options=[(f"grpc.{k}", v) for k, v in options.items()])
        self.call = GatewayServiceStub(self._channel).WatchEvents(request)

    async def take(self, count: int) -> list[pb.LifecycleEvent]:
        async with asyncio.timeout(20.0):
            events = [await self.call.read() for _ in range(count)]
        assert aio.EOF not in events
        return events

    async def rest(self) -> list[pb.LifecycleEvent]:
        events: list[pb.LifecycleEvent] = []
        async with asyncio.timeout(20.0):
            while (event := await self.call.read()) is not aio.EOF:
                events.append(event)
        return events

    async def close(self) -> None:
        self.call.cancel()
        await self._channel.close()


@contextlib.asynccontextmanager
async def watching(world: World, *, options: dict[str, Any] | None = None, **request: Any) -> AsyncIterator[Watcher]:
    watcher = Watcher(world.gateway.addresses.grpc, pb.WatchEventsRequest(**request), **(options or {}))
    try:
        yield watcher
    finally:
        await watcher.close()


async def until_now(world: World, **request: Any) -> list[pb.LifecycleEvent]:
    async with watching(world, until_now=True, **request) as watcher:
        return await watcher.rest()


async def test_the_life_of_a_session(world: World) -> None:
    async def let_in(request: pb.UpstreamRequest) -> pb.UpstreamResponse:
        return raw_upstream.answer(request, headers={"zone": "001", "gid": "g-alice"})

    world.hello.on("hello", let_in)
    async with watching(world) as watcher:
        client = await world.online("alice")
        attached, logged_in = await watcher.take(2)
        assert client.started is not None
        assert [told(attached), told(logged_in)] == [("ATTACHED", ""), ("LOGGED_IN", "")]
        assert (attached.session_id, attached.openid) == (client.started.connection_id, "alice")
        assert attached.epoch == client.started.epoch
        assert (logged_in.zone, logged_in.gid) == ("001", "g-alice")
        assert attached.address.startswith("127.0.0.1:")
        await client.close()
        (detached,) = await watcher.take(1)
        assert detached.kind == pb.EVENT_KIND_DETACHED
        client = await world.resumed(client, 1)
        assert await watcher.take(1)
        newer = await world.resumed(client, 1)
        assert [told(e) for e in await watcher.take(2)] == [("DETACHED", "SUPERSEDED"), ("RESUMED", "")]
        newer.stop()
        rest = await watcher.take(2)
        assert [told(e) for e in rest] == [("DETACHED", "NORMAL"), ("ENDED", "STOPPED")]
        events = [attached, logged_in, detached, *rest]
        assert {e.gateway for e in events} == {attached.gateway}
        assert [e.at for e in events] == sorted(e.at for e in events)


async def test_every_reason_of_an_end(make_world: WorldMaker) -> None:
    world = await make_world(session={"resume_window": 0.2, "timeout": 30})
    first = await world.online("replaced")
    fresh = await world.connect()
    await fresh.start("replaced", "", 0, "nobody's", "")
    await world.online("kicked")
    assert world.gateway._path.kicks.kick(openid="kicked")
    gone = await world.online("expired")
    await gone.close()
    async with watching(world, kinds=[pb.EVENT_KIND_ENDED, pb.EVENT_KIND_RESET]) as watcher:
        events = await watcher.take(4)
    assert first.started is not None
    assert [(e.openid, *told(e)) for e in events] == [
        ("replaced", "ENDED", "REPLACED"),
        ("replaced", "RESET", "UNKNOWN_SESSION"),
        ("kicked", "ENDED", "KICKED"),
        ("expired", "ENDED", "EXPIRED"),
    ]


async def test_sessions_of_many_are_told_in_their_order(world: World) -> None:
    async def live(openid: str) -> None:
        client = await world.online(openid)
        await client.close()
        client = await world.resumed(client, 1)
        client.stop()

    names = [f"client-{number}" for number in range(25)]
    async with watching(world) as watcher:
        await asyncio.gather(*map(live, names))
        events = await watcher.take(6 * len(names))
    assert [e.id for e in events] == list(range(1, len(events) + 1))
    for name in names:
        kinds = [LifecycleKind(e.kind).name for e in events if e.openid == name]
        assert kinds == ["ATTACHED", "LOGGED_IN", "DETACHED", "RESUMED", "DETACHED", "ENDED"]


async def test_a_watcher_goes_on_where_it_was(world: World) -> None:
    async with watching(world) as watcher:
        await world.online("alice")
        _, last = await watcher.take(2)
    await world.online("bob")
    again = await until_now(world, gateway=last.gateway, after=last.id)
    assert [(e.id, e.openid) for e in again] == [(3, "bob"), (4, "bob")]
    assert not await until_now(world, gateway=last.gateway, after=4)


async def test_only_what_is_wanted(world: World) -> None:
    await world.online("alice")
    await world.online("bob")
    assert [e.openid for e in await until_now(world, openid="bob")] == ["bob", "bob"]
    logins = await until_now(world, kinds=[pb.EVENT_KIND_LOGGED_IN])
    assert [told(e)[0] for e in logins] == ["LOGGED_IN", "LOGGED_IN"]


async def test_what_is_not_kept_any_more_is_told_first(make_world: WorldMaker) -> None:
    world = await make_world(events={"keep": 3})
    await world.online("alice")
    first, *_ = await until_now(world)
    for name in ("bob", "carol"):
        await world.online(name)
    gap, *events = await until_now(world, gateway=first.gateway, after=first.id)
    assert (told(gap), gap.missed_from, gap.id) == (("GAP", "OUTRUN"), 2, 3)
    assert [e.id for e in events] == [4, 5, 6]
    # Who comes from another process missed an unknown number of that one's, and of ours those that are gone.
    gap, *events = await until_now(world, gateway="of-before", after=700)
    assert (told(gap), gap.missed_from, gap.id) == (("GAP", "OTHER_GATEWAY"), 1, 3)
    assert [e.id for e in events] == [4, 5, 6]
    assert world.gateway.metrics.count("events_missed") == 5


@pytest.mark.parametrize(
    ("request_of", "why"),
    [
        ({"after": 1}, "without gateway"),
        ({"kinds": [0]}, "kinds has [0]"),
        ({"kinds": [99]}, "kinds has [99]"),
    ],
)
async def test_what_cannot_be_watched(world: World, request_of: dict[str, Any], why: str) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await until_now(world, **request_of)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert why in (refused.value.details() or "")


async def test_an_id_that_is_not_there_yet(world: World) -> None:
    await world.started("alice")
    (event,) = await until_now(world)
    with pytest.raises(aio.AioRpcError, match="the last event of this gateway is 1"):
        await until_now(world, gateway=event.gateway, after=2)


async def test_switched_off(make_world: WorldMaker) -> None:
    world = await make_world(events={"keep": 0})
    await world.online("alice")
    with pytest.raises(aio.AioRpcError, match=r"set events\.keep"):
        await until_now(world)
    assert world.gateway.metrics.count("lifecycle_events", "ATTACHED") == 0


async def test_a_slow_watcher_is_held_and_then_told_of_a_gap(make_world: WorldMaker) -> None:
    world = await make_world(events={"keep": 50})
    outlets, path = world.gateway._outlets, world.gateway._path
    client = await world.online("alice")
    session = path.registry.by_openid("alice")
    assert session is not None
    assert client.closed is None
    # What gRPC has of the stream in its own buffers is far less than what is told meanwhile.
    small = {"http2.lookahead_bytes": 1024, "http2.bdp_probe": 0}
    async with watching(world, options=small) as watcher:
        first = (await watcher.take(1))[0]
        session.zone = "z" * 2000
        total = 4000
        for number in range(total):
            path.attaching._lifecycle.logged_in(session)
            if number % 10 == 9:
                await asyncio.sleep(0)
        session.zone = ""
        assert len(outlets._log._ring) == 50
        seen = [first]
        while seen[-1].id < total + 2:
            seen += await watcher.take(1)
    gaps = [e for e in seen if e.kind == pb.EVENT_KIND_GAP]
    assert gaps
    covered = [number for e in seen for number in (range(e.missed_from, e.id + 1) if e in gaps else (e.id,))]
    assert covered == list(range(1, total + 3))


async def test_there_are_so_many_watchers_and_their_places_come_back(world: World) -> None:
    async with contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(watching(world)) for _ in range(64)]
        for watcher in watchers:
            assert dict(await watcher.call.initial_metadata())["gateway"]  # type: ignore[misc]
        async with watching(world) as one_more:
            assert await one_more.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await world.pusher.push("nobody")).error_code == "TARGET_NOT_FOUND"
    async with asyncio.timeout(10.0):
        while world.gateway._outlets.watches._watching:
            await asyncio.sleep(0.01)
    assert await until_now(world) == []


async def test_a_gateway_that_stops_tells_the_rest_and_waits_for_nobody_long(world: World) -> None:
    client = await world.online("alice")
    async with watching(world) as watcher, watching(world) as stuck:
        await watcher.take(2)
        await stuck.take(1)
        stopping = asyncio.create_task(world.gateway.stop())
        rest = await watcher.rest()
        await asyncio.wait_for(stopping, 20.0)
    assert [told(e) for e in rest] == [("DETACHED", "DRAINING"), ("ENDED", "DRAINING")]
    assert (await client.wait_closed()).code == CloseCode.DRAINING


async def test_webhooks_of_a_gateway_are_taken_by_a_reload(make_world: WorldMaker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    secret.chmod(0o600)
    with HookReceiver() as receiver, HookReceiver() as other:
        world = await make_world(webhook={"urls": [receiver.url], "secret_file": str(secret)})
        await world.online("alice")
        async with asyncio.timeout(20.0):
            while len(receiver.events) < 2:
                await asyncio.sleep(0.01)
        assert [event["kind"] for event in receiver.events] == ["ATTACHED", "LOGGED_IN"]
        assert all("quicgw-signature" in headers for _, headers in receiver.tries)
        world.gateway._outlets.webhooks.prepare(read_hooks(WebhookConfig(urls=(other.url,))))()
        await world.online("bob")
        await world.gateway.stop()
        assert [event["openid"] for event in receiver.events] == ["alice"] * 2
        told = [(event["openid"], event["kind"]) for event in other.events]
    assert told[:2] == [("bob", "ATTACHED"), ("bob", "LOGGED_IN")]
    assert sorted(told[2:]) == sorted((who, kind) for who in ("alice", "bob") for kind in ("DETACHED", "ENDED"))


async def test_a_token_is_needed_where_one_is(make_world: WorldMaker, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-some-length\n")
    tokens.chmod(0o600)
    world = await make_world(control={"grpc_token_file": str(tokens)})
    await world.online("alice")
    with pytest.raises(aio.AioRpcError) as refused:
        await until_now(world)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    client = GatewayClient(world.gateway.addresses.grpc, GatewayAccess(token="a-token-of-some-length"))
    try:
        events = [event async for event in client.watch(pb.WatchEventsRequest(until_now=True))]
    finally:
        await client.close()
    assert [event.openid for event in events] == ["alice", "alice"]
