"""A directory for each test, by each server that is there; and nodes that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.town import Town
from tests.support.directory_server import DirectoryServer, binaries
from tests.support.fixtures import empty_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["empty_server"]


@pytest.fixture(scope="session", params=sorted(binaries()))
def shared_server(request: pytest.FixtureRequest) -> Iterator[DirectoryServer]:
    """One that goes on from test to test; nobody stops it."""
    server = DirectoryServer(request.param, durable=False)
    server.start()
    yield server
    server.close()


@pytest.fixture(params=sorted(binaries()))
def own_server(request: pytest.FixtureRequest) -> Iterator[DirectoryServer]:
    """One to be killed, paused and emptied."""
    server = DirectoryServer(request.param)
    server.start()
    yield server
    server.close()


@pytest.fixture(params=sorted(binaries()))
def quick_server(request: pytest.FixtureRequest) -> Iterator[DirectoryServer]:
    """The same, which keeps nothing on the disk: no question waits for that."""
    server = DirectoryServer(request.param, durable=False)
    server.start()
    yield server
    server.close()


@pytest.fixture
async def town(empty_server: DirectoryServer) -> AsyncIterator[Town]:
    """Nodes come to it as the test says."""
    town = Town(empty_server.url)
    yield town
    await town.close()


@pytest.fixture
async def shaky_town(own_server: DirectoryServer) -> AsyncIterator[Town]:
    """The same with a directory of its own."""
    town = Town(own_server.url)
    yield town
    await town.close()
