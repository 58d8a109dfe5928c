"""Houses, on both engines, that are taken down after each test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.flow.house import House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import ModuleType

    from quicgw_fast.store import OfflineStore


@pytest_asyncio.fixture
async def make_house(engine: ModuleType) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """Make houses with tables of the configuration, ``await make_house(session={"timeout": 1.0})``."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(**options: Any) -> House:
            return await stack.enter_async_context(House(engine, **options))

        yield make


@pytest.fixture
def store() -> OfflineStore | None:
    """None, but tests of the offline store have one."""
    return None


@pytest_asyncio.fixture
async def house(make_house: Callable[..., Awaitable[House]], store: OfflineStore | None) -> House:
    """A house with the defaults, and with ``store``."""
    return await make_house(store=store)


@pytest_asyncio.fixture
async def three(make_house: Callable[..., Awaitable[House]]) -> House:
    """A house where an openid may have three devices."""
    return await make_house(session={"devices": 3})


@pytest_asyncio.fixture
async def refusing(make_house: Callable[..., Awaitable[House]]) -> House:
    """A house where an openid keeps its client."""
    return await make_house(session={"devices": "refuse"})
