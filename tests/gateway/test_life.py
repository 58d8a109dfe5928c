"""A gateway starts whole or not at all, drains, and leaves nothing open behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import backend as backends
from quicgw_fast.addresses import Addresses
from quicgw_fast.codes import CloseCode
from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import ConfigError, StartupError
from quicgw_fast.flow.draining import HandOut
from quicgw_fast.gateway import Gateway
from tests.support import raw_client, wire
from tests.support.pages import readiness
from tests.support.parts import Parts
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from quicgw_fast.config import Config
    from tests.support.world import World, WorldMaker

    ReadConfig = Callable[..., Config]


@contextlib.contextmanager
def taken(kind: socket.SocketKind, host: str = "127.0.0.1") -> Iterator[str]:
    """An address that somebody has already."""
    with socket.socket(type=kind) as sock:
        sock.bind((host, 0))
        if kind is socket.SOCK_STREAM:
            sock.listen()
        yield join_address(*sock.getsockname())


@contextlib.contextmanager
def free() -> Iterator[str]:
    """An address that can be had within the block, and can be had again at its end."""
    # Of all that are this machine's, one that nobody else takes a port of.
    host = f"127.{1 + secrets.randbelow(250)}.{secrets.randbelow(250)}.{2 + secrets.randbelow(250)}"
    with taken(socket.SOCK_STREAM, host) as address:
        pass
    yield address
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(split_address(address))


@contextlib.contextmanager
def nothing_left_running() -> Iterator[None]:
    before = asyncio.all_tasks()
    yield
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not left & {"housekeeping", "offline"}
    assert not {name for name in left if "worker" in name or "upstream" in name}


# It starts


async def test_one_that_does_not_know_its_address_says_so(
    make_world: WorldMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("quicgw_fast.gateway.advertised_address", lambda *_: "")  # as with a wildcard
    world = await make_world()
    await world.online("alice")
    assert [dict(request.headers) for request in world.hello.requests] == [{"gateway": ""}]
    (told,) = [record for record in caplog.records if "gateway's address" in record.message]
    assert told.levelname == "WARNING"
    assert "server.grpc_advertise" in told.remedy


def test_the_line_that_commands_print() -> None:
    addresses = Addresses("127.0.0.1:1", "[::1]:2", "127.0.0.1:3")
    assert addresses.ready_line() == "ready quic=127.0.0.1:1 grpc=[::1]:2 admin=127.0.0.1:3"


async def test_it_listens_on_three_addresses_and_says_so(
    parts: Parts, config: ReadConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_left_running(), caplog.at_level(logging.INFO, "quicgw.gateway"):
        async with Gateway(config(**parts.tables), engine=backends.load(parts.engine)) as gateway:
            addresses = gateway.addresses
            ports = [split_address(a)[1] for a in (addresses.quic, addresses.grpc, addresses.admin)]
            assert all(ports)
            for address in (addresses.grpc, addresses.admin):
                _, writer = await asyncio.open_connection(*split_address(address))
                writer.close()
                await writer.wait_closed()
            async with await raw_client.connect(*split_address(addresses.quic)) as client:
                assert (await client.start("alice")).success
    started, stopped = [r for r in caplog.records if r.getMessage().startswith("gateway st")]
    assert Parts(vars(started)["engine"], vars(started)["transport"], vars(started)["upstream"]) == parts
    assert vars(started)["quic"] == addresses.quic
    assert (vars(stopped)["starts"], vars(stopped)["notifies_lost"]) == (1, 0)


@pytest.mark.parametrize("dev", [False, True])
async def test_who_lets_everybody_in_is_warned_unless_that_is_meant(
    config: ReadConfig, caplog: pytest.LogCaptureFixture, dev: bool
) -> None:
    async with Gateway(config(), dev=dev):
        pass
    warnings = [r for r in caplog.records if r.getMessage() == "authentication is off"]
    assert len(warnings) == (0 if dev else 1)
    assert all("auth.mode" in vars(warning)["remedy"] for warning in warnings)


async def test_the_key_need_not_be_in_a_file(config: ReadConfig, certificate: tuple[Path, Path]) -> None:
    _, key = certificate
    async with (
        Gateway(config(tls={"key": None}), dev=True, tls_key=key.read_bytes()) as gateway,
        await raw_client.connect(*split_address(gateway.addresses.quic)) as client,
    ):
        assert (await client.start("alice")).success


# It does not start


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (("cert", "key"), "tls.cert and tls.key are not set; QUIC needs"),
        (("cert",), "only tls.key is set, tls.cert is not; QUIC needs"),
        (("key",), "only tls.cert is set, tls.key is not; QUIC needs"),
    ],
)
async def test_without_a_certificate_nothing_is_opened(config: ReadConfig, missing: tuple[str, ...], said: str) -> None:
    with free() as admin, nothing_left_running():
        made = config(server={"admin": admin}, tls=dict.fromkeys(missing))
        with pytest.raises(ConfigError, match=said):
            await Gateway(made, dev=True).start()


@pytest.mark.parametrize(
    ("address", "kind"),
    [("admin", socket.SOCK_STREAM), ("grpc", socket.SOCK_STREAM), ("quic", socket.SOCK_DGRAM)],
)
async def test_an_address_that_cannot_be_had_is_named_and_the_others_are_let_go(
    config: ReadConfig, address: str, kind: socket.SocketKind
) -> None:
    with free() as first, free() as second, taken(kind) as busy, nothing_left_running():
        others = dict(zip({"admin", "grpc", "quic"} - {address}, (first, second), strict=True))
        gateway = Gateway(config(server={address: busy, **others}), dev=True)
        with pytest.raises(StartupError, match=busy):
            await gateway.start()


async def test_a_gateway_that_would_call_itself_is_refused(config: ReadConfig) -> None:
    with free() as own, nothing_left_running():
        made = config(server={"grpc": own}, upstream={"business": [own]})
        with pytest.raises(ConfigError, match=rf"upstream\.business: {own} is the gateway itself"):
            await Gateway(made, dev=True).start()


# It stops


async def test_a_stop_tells_the_clients_and_frees_everything(make_world: WorldMaker) -> None:
    with free() as admin, nothing_left_running():
        world = await make_world(server={"quic": "127.0.0.1:0", "grpc": "127.0.0.1:0", "admin": admin})
        client = await world.online("alice")
        await world.gateway.stop()
        await assert_closed(client, CloseCode.DRAINING)
        assert world.gateway._path.registry.by_openid("alice") is None


async def test_it_stops_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "quicgw.gateway"):
        await asyncio.gather(world.gateway.stop(), world.gateway.stop())
        await world.gateway.stop()
    lines = [record for record in caplog.records if record.name == "quicgw.gateway"]
    assert [line.getMessage() for line in lines] == ["gateway draining", "gateway stopped"]
    line = lines[-1]
    zeros = [name for name, count in world.gateway.stats()["counters"].items() if not count]
    assert zeros
    assert not set(zeros) & set(vars(line)), "what did not happen is not told"


async def test_one_that_never_started_stops_at_once(config: ReadConfig) -> None:
    with nothing_left_running():
        async with asyncio.timeout(5.0):
            await Gateway(config(), dev=True).stop()


async def test_a_bug_on_the_way_leaves_nothing_open_all_the_same(
    config: ReadConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise OSError("surprise")

    monkeypatch.setattr(HandOut, "run", fails)
    with free() as admin, nothing_left_running():
        gateway = Gateway(config(server={"admin": admin}), dev=True)
        await gateway.start()
        async with await raw_client.connect(*split_address(gateway.addresses.quic)) as client:
            assert (await client.start("alice")).success
            with pytest.raises(OSError, match="surprise"):
                await gateway.stop()
        assert gateway._path.registry.by_openid("alice") is None, "its session was ended"


# What it says of itself


async def test_whether_it_is_ready(make_world: WorldMaker) -> None:
    """It is with a service that answers hello, and until it stops."""
    world = await make_world(upstream={})
    assert await readiness(world.gateway.addresses.admin) == (503, "no instance of hello is configured or registered")
    assert (await world.pusher.register(world.hello.address, "", "hello")).success
    assert await readiness(world.gateway.addresses.admin) == (200, "")
    gate = world.hello.hold("hello")
    client = await world.started("alice")
    client.business("hello")
    await world.hello.wait_requests(1, "hello")
    stopping = asyncio.create_task(world.gateway.stop())
    await wire.until(lambda: world.gateway._path.draining.active, what="the drain")
    assert await readiness(world.gateway.addresses.admin) == (503, "the gateway stops")
    gate.open()
    await stopping
