"""What waits for an openid in the directory comes wherever that logs in: once, in order, on its terms."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.config import Config
from quicgw_fast.errors import StartupError
from quicgw_fast.gateway import Gateway
from quicgw_fast.proto import client_pb2 as pb
from tests.joining.nodes import Nodes
from tests.store.opening import open_shared
from tests.support import wire
from tests.support.directory_server import DirectoryServer, until
from tests.support.parts import Parts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.raw_client import RawClient

TABLES = {"offline": {"store": "directory", "max_messages": 3}}


@pytest.fixture
def parts() -> Parts:
    """Of one kind: what the tests are about is made once."""
    return Parts()


@pytest.fixture
async def nodes(parts: Parts, certificate: tuple[Path, Path], empty_server: DirectoryServer) -> AsyncIterator[Nodes]:
    """Two gateways with one directory, where also messages wait."""
    async with Nodes(parts, certificate, empty_server.url, **TABLES) as nodes:
        yield nodes


async def store(nodes: Nodes, node: int, openid: str, *contents: str, **wishes: object) -> None:
    for content in contents:
        answer = await nodes.pushers[node].push(openid, content=content, **wishes)
        assert (answer.success, answer.message) == (True, "stored"), answer


def texts(client: RawClient) -> list[str]:
    """What notifies said."""
    return [push.headers["notify-content"] for push in client.numbered if not push.msg_id]


def deleted(nodes: Nodes, node: int) -> object:
    return nodes.gateways[node].stats()["offline"]["deleted"]


async def test_what_waits_comes_at_the_node_where_its_openid_logs_in(
    nodes: Nodes, empty_server: DirectoryServer
) -> None:
    await store(nodes, 0, "alice", "1")
    await store(nodes, 1, "alice", "old", "new", supersede_key="k")
    await store(nodes, 0, "alice", "short", ttl_ms=1)
    answers = [await nodes.pushers[0].push("bob", content=text) for text in "1234"]
    assert [answer.error_code for answer in answers] == ["", "", "", "STORE_FULL"]
    client = await nodes.online(1, "alice")
    await client.wait_count(3)
    assert texts(client) == ["1", "new"]
    client.ack(3)
    await until(lambda: deleted(nodes, 1) == 2)

    # And what is put while it comes: as by a push that found it nowhere, just before its login read what waits.
    member = nodes.gateways[0]._member
    assert member is not None
    assert member._store is not None
    late = await open_shared(empty_server.url, "quicgw", tell=member._store._tell)
    body = pb.ServerPush(headers={"notify-content": "late"}).SerializeToString()
    assert (await late.put("alice", body, time.time())).stored
    await late.close()
    await client.wait_count(4)
    assert texts(client) == ["1", "new", "late"]
    client.ack(4)
    await until(lambda: deleted(nodes, 1) == 3)
    again = await nodes.online(0, "alice")
    await again.call("echo")
    assert texts(again) == [], "once"


async def test_what_a_session_has_of_it_moves_and_what_it_leaves_waits(nodes: Nodes) -> None:
    await store(nodes, 0, "alice", "1", "2")
    first = await nodes.online(1, "alice")
    await first.wait_count(3)
    assert first.started is not None
    second = await nodes.client(0)
    assert (await second.start("alice", "", 2, first.started.connection_id, first.started.epoch)).resumed
    await second.wait_count(1)
    assert [(push.seq_id, push.headers["notify-content"]) for push in second.numbered] == [(3, "2")]
    second.next_seq = 2
    await second.call("echo")
    assert texts(second) == ["2"]
    second.ack(4)
    await until(lambda: deleted(nodes, 0) == 2)  # also what the other node had sent

    session = nodes.gateways[0]._path.registry.by_openid("alice")
    assert session is not None
    await second.close()
    await until(lambda: not session.attached)
    for content in "34":
        assert (await nodes.pushers[1].push("alice", content=content)).message == "retained"
    session.detached_at = -1e6
    third = await nodes.online(1, "alice")
    await third.wait_count(3)
    assert texts(third) == ["3", "4"]
    assert nodes.count(0, "pushes_handed_over") == 2


async def test_what_waits_outlasts_its_directory_for_which_nobody_else_waits(
    parts: Parts, certificate: tuple[Path, Path]
) -> None:
    server = DirectoryServer()
    await asyncio.to_thread(server.start)
    try:
        async with Nodes(parts, certificate, server.url, **TABLES) as nodes:
            await store(nodes, 0, "alice", "1")
            bob = await nodes.online(0, "bob")
            lost = nodes.count(0, "directory_losses")
            await asyncio.to_thread(server.kill)
            await until(lambda: nodes.count(0, "directory_losses") > lost)
            refused = await nodes.pushers[0].push("alice", content="2")
            assert refused.error_code == "DIRECTORY_UNAVAILABLE"
            assert wire.business(await bob.call("echo")).code == 200
            await asyncio.to_thread(server.start)
            client = await come(nodes, 1, "alice")
            await client.wait_count(2)
            assert texts(client) == ["1"]
    finally:
        server.close()


async def test_a_directory_that_is_not_there_is_told_at_the_start(certificate: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"valkey://127.0.0.1:{taken.getsockname()[1]}"
    tables: dict[str, Any] = {
        "server": dict.fromkeys(("quic", "grpc", "admin"), "127.0.0.1:0"),
        "tls": dict(zip(("cert", "key"), certificate, strict=True)),
        "cluster": {"url": url},
        **TABLES,
    }
    with pytest.raises(StartupError, match=f"the directory {url} cannot be reached.*start it, or change cluster.url"):
        await Gateway(Config.model_validate(tables), dev=True).start()


async def come(nodes: Nodes, node: int, openid: str) -> RawClient:
    """As ``Nodes.online``, as soon as anybody may come who was not here: one lease after the directory is back."""
    async with asyncio.timeout(20):
        while not (await (client := await nodes.client(node)).start(openid)).success:
            await asyncio.sleep(0.1)
    await client.hello()
    return client
