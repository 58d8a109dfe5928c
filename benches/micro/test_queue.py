from __future__ import annotations

import asyncio
import queue
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast import backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.micro.conftest import Measure

SIZE = 1000
TASK = object()


def ways(capacity: int) -> dict[str, Callable[[], tuple[Callable[[Any], object], Callable[[], object]]]]:
    """Make queues; of each, what puts one task in and takes one out."""

    def ours(maker: str) -> tuple[Callable[[Any], object], Callable[[], object]]:
        tasks = backend.load(maker).TaskQueue(capacity)
        return tasks.try_push, tasks.try_pop

    def of_asyncio() -> tuple[Callable[[Any], object], Callable[[], object]]:
        tasks: asyncio.Queue[object] = asyncio.Queue(capacity)
        return tasks.put_nowait, tasks.get_nowait

    def simple() -> tuple[Callable[[Any], object], Callable[[], object]]:
        tasks: queue.SimpleQueue[object] = queue.SimpleQueue()
        return tasks.put, tasks.get

    def plain() -> tuple[Callable[[Any], object], Callable[[], object]]:
        tasks: deque[object] = deque()
        return tasks.append, tasks.popleft

    return {
        "rust": lambda: ours("rust"),
        "python": lambda: ours("python"),
        "asyncio.Queue": of_asyncio,
        "queue.SimpleQueue": simple,
        "deque": plain,
    }


@pytest.mark.parametrize("who", ways(1))
def test_push_and_pop(measure: Measure, who: str) -> None:
    put, get = ways(SIZE)[who]()

    def work() -> None:
        for task in repeat(TASK, SIZE):
            put(task)
            get()

    measure("TaskQueue push + pop", who, SIZE, work)


@pytest.mark.parametrize("who", ways(1))
def test_fill_and_drain_in_batches(measure: Measure, who: str) -> None:
    """A worker that takes 50 tasks at a time, where that can be done."""
    put, get = ways(SIZE)[who]()
    many = getattr(getattr(get, "__self__", None), "pop_many", None)

    def work() -> None:
        for task in repeat(TASK, SIZE):
            put(task)
        if many is None:
            for _ in range(SIZE):
                get()
        else:
            while many(50):
                pass

    measure("TaskQueue push 1000, pop_many 50", who, SIZE, work)
