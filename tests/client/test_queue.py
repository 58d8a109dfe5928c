"""The receive queue and its three policies."""

from __future__ import annotations

import asyncio

import pytest

from quicgw_fast.client.errors import ReceiveQueueFull
from quicgw_fast.client.messages import Notify
from quicgw_fast.client.options import ReceivePolicy
from quicgw_fast.client.queue import BEYOND, Put, ReceiveQueue


def note(number: int) -> Notify:
    return Notify(b"", "", "", "", "", {}, number)


class Rooms(list[tuple[int, int]]):
    def __call__(self, generation: int, seq: int) -> None:
        self.append((generation, seq))


def make(size: int, policy: ReceivePolicy = ReceivePolicy.PAUSE) -> tuple[ReceiveQueue, Rooms]:
    rooms = Rooms()
    return ReceiveQueue(size, policy, rooms), rooms


def drain(queue: ReceiveQueue) -> list[int]:
    seen = []
    while (notify := queue.get_nowait()) is not None:
        seen.append(notify.seq_id)
    return seen


async def test_pause_keeps_everything_and_says_when_there_is_room() -> None:
    queue, rooms = make(2)
    assert [queue.put(note(n), 1) for n in range(1, 6)] == [Put.QUEUED] * 2 + [Put.KEPT_BACK] * 3
    assert len(queue) == 5
    assert rooms == []
    first = queue.get_nowait()
    assert first is not None
    assert first.seq_id == 1
    assert rooms == [(1, 3)]
    assert drain(queue) == [2, 3, 4, 5]
    assert rooms == [(1, 3), (1, 4), (1, 5)]


async def test_pause_ends_when_far_too_much_comes() -> None:
    queue, _ = make(1)
    for number in range(BEYOND + 1):
        queue.put(note(number), 1)
    with pytest.raises(ReceiveQueueFull):
        queue.put(note(0), 1)


async def test_drop_oldest() -> None:
    queue, rooms = make(2, ReceivePolicy.DROP_OLDEST)
    puts = [queue.put(note(n), 1) for n in range(1, 5)]
    assert puts == [Put.QUEUED, Put.QUEUED, Put.DROPPED_OLDEST, Put.DROPPED_OLDEST]
    assert drain(queue) == [3, 4]
    assert rooms == []


async def test_fail() -> None:
    queue, _ = make(1, ReceivePolicy.FAIL)
    queue.put(note(1), 1)
    with pytest.raises(ReceiveQueueFull) as caught:
        queue.put(note(2), 1)
    assert caught.value.capacity == 1
    assert drain(queue) == [1]


async def test_readers_are_woken_one_for_each() -> None:
    queue, _ = make(10)
    readers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for number in (1, 2, 3):
        queue.put(note(number), 1)
    got = await asyncio.gather(*readers)
    assert sorted(n.seq_id for n in got if n is not None) == [1, 2, 3]


async def test_a_cancelled_reader_passes_its_turn_on() -> None:
    queue, _ = make(10)
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    queue.put(note(1), 1)  # wakes the first …
    first.cancel()  # … which never gets to take it
    notify = await second
    assert notify is not None
    assert notify.seq_id == 1
    assert first.cancelled()


async def test_closing_leaves_what_is_there_and_ends_the_rest() -> None:
    queue, _ = make(10)
    waiting = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.put(note(1), 1)
    queue.close()
    got = await asyncio.gather(*waiting)
    assert [n.seq_id if n else None for n in got] in ([1, None], [None, 1])
    assert await queue.get() is None


async def test_what_was_kept_back_can_be_left_to_others() -> None:
    queue, _ = make(1)
    queue.put(note(1), 1)
    queue.put(note(2), 1)
    queue.discard_kept_back()
    assert drain(queue) == [1]
