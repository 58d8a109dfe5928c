"""What all of these tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.directory_server import DirectoryServer
from tests.support.fixtures import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["certificate"]


@pytest.fixture
def directory() -> Iterator[DirectoryServer]:
    """One that nothing happens to."""
    server = DirectoryServer()
    server.start()
    yield server
    server.close()
