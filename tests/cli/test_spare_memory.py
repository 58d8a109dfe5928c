"""What the process has freed goes back to the system, once it is not needed for some time."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicgw_fast.cli.spare_memory import LEAST, LOOKS, Glibc, SpareMemory, giving_back
from tests.support.wire import until


class Heap:
    def __init__(self) -> None:
        self.freed = 0
        self.trims = 0

    def free(self) -> int:
        return self.freed

    def trim(self) -> None:
        self.trims += 1


def looks(spare: SpareMemory, number: int = LOOKS) -> None:
    for _ in range(number):
        spare.look()


def test_what_stays_free_is_given_back_once() -> None:
    heap = Heap()
    spare = SpareMemory(heap)
    heap.freed = LEAST
    looks(spare, LOOKS - 1)
    assert heap.trims == 0
    looks(spare, 1)
    assert heap.trims == 1
    looks(spare, 3 * LOOKS)
    assert heap.trims == 1, "it counts as free, and is with the system already"


def test_what_is_used_again_can_be_given_back_again() -> None:
    heap = Heap()
    spare = SpareMemory(heap)
    heap.freed = 3 * LEAST
    looks(spare)
    heap.freed = LEAST
    looks(spare)
    heap.freed = 2 * LEAST
    looks(spare)
    assert heap.trims == 2


def test_what_a_load_takes_and_frees_stays() -> None:
    heap = Heap()
    spare = SpareMemory(heap)
    for _ in range(4 * LOOKS):
        heap.freed = LEAST
        looks(spare, LOOKS - 1)
        heap.freed = 0
        looks(spare, 1)
    assert heap.trims == 0


def resident() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def glibc() -> Glibc:
    try:
        return Glibc()
    except AttributeError:
        pytest.skip("the C library cannot tell what is free")


def test_this_process_becomes_smaller() -> None:
    heap = glibc()
    pieces = [bytes(3000) for _ in range(20_000)]
    kept = pieces[::50]  # between them nothing is ever given back by itself
    pieces.clear()
    large, free = resident(), heap.free()
    assert free > 40 << 20
    heap.trim()
    assert resident() < large - (30 << 20)
    assert len(kept) == 400


async def test_somebody_looks_as_long_as_the_block_lasts() -> None:
    heap = Heap()
    heap.freed = LEAST
    async with giving_back(lambda: heap, every=0.001):
        await until(lambda: heap.trims == 1, what="giving back")


async def test_another_c_library_is_no_fault() -> None:
    def none() -> Heap:
        raise AttributeError("mallinfo2")

    async with giving_back(none):
        pass
