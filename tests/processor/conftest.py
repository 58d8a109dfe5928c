"""Processors, with the queue of both engines, that are stopped after each test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.processor.bench import Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType


@pytest_asyncio.fixture
async def make_bench(engine: ModuleType) -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**options: object) -> Bench:
        made.append(Bench(engine, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bench in made:
        await bench.processor.stop(0.0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("worker")]


@pytest_asyncio.fixture
async def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A processor that runs."""
    bench = make_bench()
    bench.processor.start()
    return bench
