"""A directory behind a Sentinel: another server takes its place, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.cluster.link import DirectoryUnusable
from tests.cluster.test_loss import away, back, come_in_time
from tests.cluster.town import Town
from tests.support.directory_server import DirectoryServer, SentinelServer, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def servers() -> Iterator[tuple[DirectoryServer, SentinelServer]]:
    first = DirectoryServer()
    first.start()
    second, sentinel = DirectoryServer(follows=first.port), SentinelServer()
    try:
        second.start()
        sentinel.watch(first.port)
        yield first, sentinel
    finally:
        for each in (sentinel, second, first):
            each.close()


async def test_a_failover_is_found_and_what_is_here_goes_on(servers: tuple[DirectoryServer, SentinelServer]) -> None:
    first, sentinel = servers
    await until(lambda: b"num-slaves\r\n$1\r\n1" in sentinel.command("SENTINEL", "MASTER", "mine"), 30)
    town = Town(f"sentinel://{sentinel.address}/mine")
    try:
        one, two = await town.join("one"), await town.join("two")
        await one.come("alice", "s1")
        await until(lambda: len(one.node.membership.nodes) == 2 and not one.node.telling.under_way)
        first.kill()
        await away(one)
        await until(lambda: one.node.link.up, 30)
        await back(one)
        await back(two)
        assert not one.voided
        await come_in_time(two, "alice")
        assert two.sessions["alice"] == ("s1", b"s1")
    finally:
        await town.close()


async def test_a_sentinel_that_is_taken_for_the_directory(servers: tuple[DirectoryServer, SentinelServer]) -> None:
    _, sentinel = servers
    town = Town(f"valkey://{sentinel.address}")
    try:
        with pytest.raises(DirectoryUnusable, match=r"is a Sentinel.*write sentinel://HOST:PORT/SERVICE"):
            await town.join("one")
    finally:
        await town.close()


async def test_a_service_that_no_sentinel_knows(servers: tuple[DirectoryServer, SentinelServer]) -> None:
    _, sentinel = servers
    town = Town(f"sentinel://{sentinel.address}/other")
    try:
        with pytest.raises(DirectoryUnusable, match="it knows no 'other'"):
            await town.join("one")
    finally:
        await town.close()
