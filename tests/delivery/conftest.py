"""What the tests of the way down share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .recipient import Client

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def client(engine: ModuleType) -> Client:
    return Client(engine)
