"""Fixtures of the tests that run a whole gateway: a world per test and choice of parts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.directory_server import DirectoryServer
from tests.support.parts import GATEWAYS, Parts
from tests.support.world import World, write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.world import WorldMaker


class QuickAsyncio:
    """The module asyncio with shorter naps."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(delay / 20)


@pytest.fixture(autouse=True)
def quick_end_of_the_admin_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn naps for 0.2 s at its end, which would be half the time of these tests."""
    monkeypatch.setattr("uvicorn.server.asyncio", QuickAsyncio())


@pytest.fixture(params=GATEWAYS)
def parts(request: pytest.FixtureRequest) -> Parts:
    """What the gateway is made of."""
    return GATEWAYS[request.param]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key as PEM files."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def shared_server() -> Iterator[DirectoryServer]:
    """A directory that goes on from test to test; both kinds of server are for the tests of what asks it."""
    server = DirectoryServer(durable=False)
    server.start()
    yield server
    server.close()


@pytest.fixture
def empty_server(shared_server: DirectoryServer) -> DirectoryServer:
    """The same, knowing nothing."""
    shared_server.flush()
    return shared_server


@pytest.fixture
def used_server(empty_server: DirectoryServer) -> DirectoryServer:
    """The same, knowing nobody; who joins need not wait for a lease."""
    empty_server.was_used_before()
    return empty_server


@pytest.fixture
async def make_world(parts: Parts, certificate: tuple[Path, Path]) -> AsyncIterator[WorldMaker]:
    """Make a world with the given tables of the configuration."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**sections: Any) -> World:
            return await stack.enter_async_context(World(parts, certificate, **sections))

        yield make


@pytest.fixture
async def world(make_world: WorldMaker) -> World:
    """A world with the default configuration."""
    return await make_world()
