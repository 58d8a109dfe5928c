from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.joining.nodes import Nodes
from tests.support.fixtures import certificate, empty_server, parts, shared_server, used_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.directory_server import DirectoryServer
    from tests.support.parts import Parts

__all__ = ["certificate", "empty_server", "parts", "shared_server", "used_server"]


@pytest.fixture
async def nodes(parts: Parts, certificate: tuple[Path, Path], used_server: DirectoryServer) -> AsyncIterator[Nodes]:
    """Two gateways with one directory, and their services."""
    async with Nodes(parts, certificate, used_server.url) as nodes:
        yield nodes
