"""The offline store over the wire: real files, a disk that hangs or is full, processes that end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.store.test_sqlite import Gate
from tests.support import raw_client, wire
from tests.support.gateway_process import GatewayProcess, write_config
from tests.support.raw_upstream import RawPusher, RawUpstream
from tests.support.small_disk import fill, on_a_disk_of_its_own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quicgw_fast.store import SqliteStore
    from tests.support.parts import Parts
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker

LARGEST = 1_048_477
"""Bytes of data of a push that is just small enough for a frame."""
QUICK = {"start_timeout": 0.4}
"""Makes housekeeping frequent; a resume window ends when the test wants it, however busy the machine is."""


async def until(condition: Callable[[], object], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def counted(world: World, name: str) -> int:
    counters = world.gateway.stats()["counters"]
    assert isinstance(counters, dict)
    return int(counters[name])


def gap(client: RawClient) -> dict[str, str]:
    assert client.start_push is not None
    return {k.removeprefix("gap-"): v for k, v in client.start_push.headers.items() if k.startswith("gap-")}


def data(client: RawClient) -> list[bytes]:
    return [wire.business(push).data for push in client.notifies]


def disk_of(world: World) -> SqliteStore:
    store: Any = world.gateway._path.offline._store
    return store  # type: ignore[no-any-return]


@pytest.fixture
def sqlite(tmp_path: Path) -> dict[str, object]:
    return {"store": "sqlite", "path": str(tmp_path / "store.db")}


async def away(world: World, openid: str, *contents: bytes) -> RawClient:
    """A client that logged in and left, and what was retained for it since."""
    client = await world.online(openid)
    client.ack(1)
    await client.close()
    await until(lambda: all(s.link is None for s in world.gateway._path.registry if s.openid == openid))
    for content in contents:
        told = await world.pusher.push(openid, data=content, msg_type="t", title="x")
        assert told.message == "retained", told
    return client


async def expire(world: World, *openids: str) -> None:
    """Let the resume windows of these pass."""
    before = counted(world, "sessions_expired")
    for openid in openids:
        session = world.gateway._path.registry.by_openid(openid)
        assert session is not None
        assert session.detached_at is not None
        session.detached_at -= 1e6
    await until(lambda: counted(world, "sessions_expired") == before + len(openids))


async def test_a_session_with_a_message_that_no_store_takes_ends_as_any_other(
    make_world: WorldMaker, sqlite: dict[str, object]
) -> None:
    world = await make_world(offline={**sqlite, "max_bytes": "4MiB"}, session=QUICK)
    large, small = await asyncio.gather(away(world, "alice", b"x" * LARGEST), away(world, "bob", b"small"))
    await expire(world, "alice", "bob")
    await until(lambda: counted(world, "pushes_handed_over") == 1)
    assert (counted(world, "pushes_lost"), counted(world, "housekeeping_failed")) == (1, 0)
    assert (await world.pusher.push("alice", data=b"later")).message == "stored"
    for before, lost, delivered in ((large, "1", b"later"), (small, "0", b"small")):
        again = await world.back(before, 1)
        assert (gap(again)["reason"], gap(again)["notifies"]) == ("EXPIRED", lost)
        again.next_seq = 1
        await again.hello()
        await again.wait_for(wire.is_notify)
        assert data(again) == [delivered]


async def test_pushes_and_the_login_come_behind_a_hand_over(make_world: WorldMaker, sqlite: dict[str, object]) -> None:
    world = await make_world(offline=sqlite, session=QUICK)
    await away(world, "alice", *(b"%d" % n for n in range(60)))
    gate = await Gate.shut(disk_of(world))
    await expire(world, "alice")
    new = asyncio.create_task(world.pusher.push("alice", data=b"new"))
    client = await world.connect()
    client.request(pb.REQUEST_START, pb.StartRequest(openid="alice").SerializeToString())
    client.business("hello")
    await until(lambda: any(c.carrier.held for c in world.gateway._path.conversations.open))
    gate.opened.set()
    await client.wait_count(62, within=10.0)
    assert (await new).message == "stored"
    assert data(client) == [*(b"%d" % n for n in range(60)), b"new"]
    client.assert_gap_free()


async def test_what_the_store_has_no_room_for_is_told(make_world: WorldMaker, sqlite: dict[str, object]) -> None:
    world = await make_world(offline=sqlite, session=QUICK)
    before = await away(world, "alice", *(b"%d" % n for n in range(300)))
    await expire(world, "alice")
    await until(lambda: counted(world, "pushes_handed_over"))
    assert (counted(world, "pushes_handed_over"), counted(world, "pushes_lost")) == (100, 200)
    again = await world.back(before, 1)
    assert (gap(again)["reason"], gap(again)["notifies"], gap(again)["responses"]) == ("EXPIRED", "200", "0")
    again.next_seq = 1
    await again.hello()
    await again.wait_count(101)
    assert data(again) == [b"%d" % n for n in range(100)]
    again.ack(again.last_seq)
    await until(lambda: disk_of(world).stats().messages == 0)
    notifies = world.gateway.stats()["accounts"]["notifies"]  # type: ignore[index]
    assert notifies == {"accepted": 300, "delivered": 100, "lost": 200, "open": 0, "stored": 0}


async def test_what_an_earlier_connection_got_is_not_stored(make_world: WorldMaker, sqlite: dict[str, object]) -> None:
    """A second connection that took less than the first one before it went away changes nothing."""
    world = await make_world(offline={**sqlite, "max_bytes": "4MiB"}, session=QUICK)
    first = await world.online("alice")
    for _ in range(9):
        assert (await world.pusher.push("alice", data=b"x" * 100_000)).message == "sent"
    await first.wait_count(10)
    await first.close()
    second = await world.connect()
    started = first.started
    assert started is not None
    second.pause_reading()  # so that the connection takes no more than what may be under way
    claim = pb.StartRequest(openid="alice", session_id=started.connection_id, epoch=started.epoch, last_acked_seq_id=1)
    second.request(pb.REQUEST_START, claim.SerializeToString())
    await until(lambda: counted(world, "resumes") == 1)
    await second.close()
    await until(lambda: all(s.link is None for s in world.gateway._path.registry))
    await expire(world, "alice")
    assert disk_of(world).stats().stored == 0
    again = await world.online("alice")
    await again.call("echo")
    assert not again.notifies


async def test_a_login_is_answered_in_time_whatever_the_disk_does(
    make_world: WorldMaker, sqlite: dict[str, object]
) -> None:
    world = await make_world(offline=sqlite)
    assert (await world.pusher.push("alice", data=b"stored")).message == "stored"
    gate = await Gate.shut(disk_of(world))
    client = await world.started("alice")
    clock = asyncio.get_running_loop().time
    begun = clock()
    push = await client.call("hello", headers={"timeout-ms": "300"})
    assert wire.business(push).code == 200
    assert clock() - begun < 2.0
    assert (await world.pusher.push("alice", data=b"pushed")).message == "cached"
    assert wire.business(await client.call("echo")).code == 200
    assert not client.notifies
    gate.opened.set()
    await client.wait_count(2, wire.is_notify)
    assert data(client) == [b"stored", b"pushed"]
    client.assert_gap_free()


async def test_a_disk_that_hangs_does_not_hold_up_the_stop(make_world: WorldMaker, sqlite: dict[str, object]) -> None:
    world = await make_world(offline=sqlite, session=QUICK)
    await away(world, "alice", b"retained")
    gate = await Gate.shut(disk_of(world))
    await asyncio.wait_for(world.gateway.stop(), 8.0)
    gate.opened.set()
    await disk_of(world).close()
    assert disk_of(world).stats().messages == 1, "what was handed over is written as soon as the disk can"


# Processes


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    async with RawUpstream() as service:
        yield service


class Configure:
    """Writes the configuration file of a gateway whose store is in a folder."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path], upstream: RawUpstream) -> None:
        self._folder = folder
        self._certificate = certificate
        self._address = upstream.address

    def __call__(self, database: Path, session: str = "") -> Path:
        tables = f"""
[offline]
store = "sqlite"
path = "{database}"
max_bytes = "4MiB"
[session]
{session}
"""
        return write_config(self._folder, self._certificate, self._address, tables)


@pytest.fixture
def configure(tmp_path: Path, certificate: tuple[Path, Path], upstream: RawUpstream) -> Configure:
    return Configure(tmp_path, certificate, upstream)


async def online(gateway: GatewayProcess, openid: str) -> RawClient:
    client = await raw_client.connect(*gateway.ready.quic)
    assert (await client.start(openid)).success
    assert wire.business(await client.hello()).code == 200
    return client


async def pushed(pusher: RawPusher, openid: str, content: bytes, outcome: str) -> None:
    """Push until that is the outcome: a client that left is attached until the gateway reads its close."""
    async with asyncio.timeout(10.0):
        while True:
            told = await pusher.push(openid, data=content, msg_type="t", title="x")
            if told.message == outcome:
                return
            await asyncio.sleep(0.02)


async def test_a_gateway_that_stops_hands_over_what_it_retains(
    parts: Parts, configure: Configure, tmp_path: Path
) -> None:
    """Also beside a message that cannot be handed over; and after a restart it is delivered."""
    config = configure(tmp_path / "store.db")
    async with GatewayProcess.serve(config, parts=parts) as gateway, RawPusher(gateway.ready.grpc) as pusher:
        for openid in ("alice", "bob"):
            client = await online(gateway, openid)
            await client.close()
            await pushed(pusher, openid, openid.encode(), "retained")
        client = await online(gateway, "carol")
        client.ack(1)
        await client.close()
        await pushed(pusher, "carol", b"x" * LARGEST, "retained")
        gateway.terminate()
        assert await gateway.wait() == 0
        assert "pushes lost" in gateway.errors
    async with GatewayProcess.serve(config, parts=parts) as gateway:
        for openid in ("alice", "bob"):
            client = await online(gateway, openid)
            await client.wait_for(wire.is_notify)
            assert set(data(client)) == {openid.encode()}
            await client.close()


async def test_a_full_disk_loses_nothing_of_what_was_stored(parts: Parts, configure: Configure, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    prefix = on_a_disk_of_its_own(disk, "8m")
    config = configure(disk / "store.db", "window_messages = 8")
    async with (
        GatewayProcess.serve(config, parts=parts, prefix=prefix) as gateway,
        RawPusher(gateway.ready.grpc) as pusher,
    ):
        for n in range(20):
            assert (await pusher.push("alice", data=b"%d" % n)).message == "stored"
        other = Path(f"/proc/{gateway.pid}/root{disk}") / "other"  # as the gateway sees it
        await asyncio.to_thread(fill, other)
        client = await raw_client.connect(*gateway.ready.quic)
        assert (await client.start("alice")).success

        def acknowledge(push: pb.ServerPush) -> None:
            if push.seq_id:
                client.ack(push.seq_id)

        client.on_push = acknowledge
        await client.hello()
        await client.wait_count(21, within=10.0)
        assert data(client) == [b"%d" % n for n in range(20)]
        client.assert_gap_free()
        await client.reply(client.heartbeat())
        client.stop()
        await client.wait_closed(5.0)
        await client.close()
        again = await online(gateway, "alice")
        assert wire.business(await again.call("echo")).code == 200
        assert not again.notifies, "what was acknowledged does not come again"
        await again.close()
        await asyncio.to_thread(other.unlink)
        await pushed(pusher, "bob", b"room again", "stored")
        gateway.terminate()
        assert await gateway.wait() == 0


async def test_bytes_of_openids_count_and_not_their_characters(
    make_world: WorldMaker, sqlite: dict[str, object], tmp_path: Path
) -> None:
    limit = 128 << 10
    world = await make_world(offline={**sqlite, "max_bytes": 1000, "max_total_bytes": limit})
    codes = []
    for number in range(400):
        told = await world.pusher.push(f"{number:04}" + "\U0001f98a" * 63)
        codes.append(told.error_code)
    assert codes[:100] == [""] * 100
    assert set(codes[-100:]) == {"STORE_FULL"}
    assert codes.count("") * 256 < limit
    await world.gateway.stop()
    assert (tmp_path / "store.db").stat().st_size < 4 * limit, "each name is there twice, in whole pages"
