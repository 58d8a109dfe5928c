"""Any steps, on a store and on a list that stands for it: both do the same."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import Stored
from quicgw_fast.store.base import RECORD_COST
from tests.store.conftest import NOW
from tests.store.opening import KINDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from quicgw_fast.store import OfflineStore
    from tests.store.opening import Stores

BOUNDS: Final = {"max_messages": 4, "max_bytes": 20, "max_total_bytes": 900, "max_age": 10.0}

_openids = st.sampled_from(["a", "b", "c"])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _openids, st.binary(max_size=12)),
        st.tuples(st.just("delete"), _openids, st.lists(st.integers(1, 20), max_size=4)),
        st.tuples(st.just("load"), _openids, st.none()),
        st.tuples(st.just("sweep"), st.just(""), st.none()),
        st.tuples(st.just("later"), st.just(""), st.integers(1, 8)),
    ),
    max_size=40,
)


class Model:
    """The promise in the plainest words: one list."""

    def __init__(self, bounds: OfflineConfig) -> None:
        self.bounds = bounds
        self.messages: list[tuple[str, Stored]] = []
        self.given: list[int] = []
        """The ids of all that was ever put."""

    def live(self, wall: float, openid: str | None = None) -> list[Stored]:
        return [
            message
            for owner, message in self.messages
            if openid in (None, owner) and wall - message.stored_at < self.bounds.max_age
        ]

    def fits(self, openid: str, body: bytes, wall: float) -> bool:
        mine = self.live(wall, openid)
        return (
            len(mine) < self.bounds.max_messages
            and sum(len(message.body) for message in mine) + len(body) <= self.bounds.max_bytes
            and sum(len(message.body) + 1 + RECORD_COST for message in self.live(wall)) + len(body) + 1 + RECORD_COST
            <= self.bounds.max_total_bytes
        )

    def put(self, openid: str, body: bytes, wall: float, number: int) -> None:
        assert number > max(self.given, default=0)
        self.given.append(number)
        self.messages.append((openid, Stored(number, body, wall)))

    def delete(self, openid: str, ids: list[int]) -> None:
        self.messages = [(owner, m) for owner, m in self.messages if owner != openid or m.id not in ids]


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(steps=_steps)
def test_a_store_does_what_the_model_does(
    kind: str, steps: list[tuple[str, str, object]], stores: Stores, tmp_path: Path
) -> None:
    asyncio.run(_compare(partial(stores.open, kind, tmp_path, **BOUNDS), steps))


async def _compare(open_store: Callable[[], Awaitable[OfflineStore]], steps: list[tuple[str, str, object]]) -> None:
    store, model, wall = await open_store(), Model(OfflineConfig.model_construct(**BOUNDS)), NOW
    for name, openid, argument in steps:
        if name == "put" and isinstance(argument, bytes):
            number = (await store.put(openid, argument, wall)).id
            assert (number > 0) == model.fits(openid, argument, wall)
            if number:
                model.put(openid, argument, wall, number)
        elif name == "delete" and isinstance(argument, list):
            ids = [(model.given + [0] * 20)[which - 1] for which in argument]
            await store.delete(openid, ids)
            model.delete(openid, ids)
        elif name == "load":
            assert await store.load(openid, wall) == model.live(wall, openid)
        elif name == "sweep":
            await store.sweep(wall)
            assert store.stats().messages == len(model.live(wall))
        elif name == "later" and isinstance(argument, int):
            wall += argument
    for openid in ("a", "b", "c"):
        assert await store.load(openid, wall) == model.live(wall, openid)
    stats = store.stats()
    assert stats.messages == len(model.live(wall))
    assert stats.messages == stats.stored - stats.deleted - stats.expired
    assert stats.bytes == sum(len(message.body) + 1 + RECORD_COST for message in model.live(wall))
    await store.close()
