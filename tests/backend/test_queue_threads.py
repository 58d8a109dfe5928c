"""Several producers and consumers at once: nothing lost, nothing twice, never too much, in order per producer."""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from quicgw_fast.backend import TaskQueue

# The reference takes a lock in Python, so it gets fewer items for the same time. (The core's own tests move millions
# more, without an interpreter between the threads.)
ITEMS = {"rust": 1_000_000, "python": 150_000}

Item = tuple[int, int]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def switch_threads_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def give_way() -> None:
    """Let another thread run; else one that finds no work or room keeps the interpreter until its time is up."""
    time.sleep(0)


def run(*targets: Callable[[], None]) -> None:
    """Run each target in a thread of its own; an exception in any of them fails the test."""
    failures: list[BaseException] = []

    def guarded(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def produce(queue: TaskQueue[Item], producer: int, count: int, others: threading.Semaphore) -> None:
    """Push so many items, and close the queue if no other producer is left."""
    for number in range(count):
        while not queue.try_push((producer, number)):
            assert len(queue) <= queue.capacity
            give_way()
    if not others.acquire(blocking=False):
        queue.close()


def consume(queue: TaskQueue[Item], take: Callable[[TaskQueue[Item]], list[Item]], mine: list[Item]) -> None:
    """Take items until the queue was closed and then found empty."""
    closed = False
    while True:
        items = take(queue)
        mine += items
        if not items:
            if closed:
                return
            closed = queue.closed
            give_way()


def take_one(queue: TaskQueue[Item]) -> list[Item]:
    item = queue.try_pop()
    return [] if item is None else [item]


def take_many(queue: TaskQueue[Item]) -> list[Item]:
    return queue.pop_many(50)


@pytest.mark.parametrize("maker", ITEMS)
@pytest.mark.parametrize("take", [take_one, take_many])
@pytest.mark.parametrize(("producers", "consumers", "capacity"), [(3, 3, 64), (2, 2, 1), (4, 1, 1000)])
def test_every_item_comes_out_once_and_in_order(
    maker: str, take: Callable[[TaskQueue[Item]], list[Item]], producers: int, consumers: int, capacity: int
) -> None:
    # One place means a change of threads for every item.
    count = ITEMS[maker] // (30 if capacity == 1 else 1) // producers
    queue = backend.load(maker).TaskQueue(capacity)
    others = threading.Semaphore(producers - 1)
    taken: list[list[Item]] = [[] for _ in range(consumers)]
    run(
        *(partial(produce, queue, producer, count, others) for producer in range(producers)),
        *(partial(consume, queue, take, mine) for mine in taken),
    )

    # Each consumer sees the items of one producer in order, and together they saw each item once.
    for mine in taken:
        for producer in range(producers):
            numbers = [number for origin, number in mine if origin == producer]
            assert numbers == sorted(numbers)
    together = sorted(item for mine in taken for item in mine)
    assert together == [(producer, number) for producer in range(producers) for number in range(count)]


def test_no_push_succeeds_behind_the_back_of_a_drain(engine: ModuleType) -> None:
    """What is accepted while another thread closes the queue is found by a drain that begins when close() is back."""
    for _ in range(200):
        queue: TaskQueue[int] = engine.TaskQueue(1_000)
        accepted = {1: 0, 2: 0}
        drained: list[int] = []
        run(
            partial(_push_until_refused, queue, 1, accepted),
            partial(_push_until_refused, queue, 2, accepted),
            partial(_close_and_drain, queue, drained),
        )
        assert len(queue) == 0
        assert {which: drained.count(which) for which in accepted} == accepted


def _push_until_refused(queue: TaskQueue[int], which: int, accepted: dict[int, int]) -> None:
    while not queue.closed:
        if queue.try_push(which):
            accepted[which] += 1
        else:
            give_way()


def _close_and_drain(queue: TaskQueue[int], drained: list[int]) -> None:
    while len(queue) < 20:
        give_way()
    queue.close()
    drained += queue.pop_many(queue.capacity)
