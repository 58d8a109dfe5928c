"""Memory that the process has freed goes back to the system.

The C library keeps what lies between pieces that are in use: after a crowd has left, that is most of what the crowd
took, for ever. Who judges the process by its size (the system, or a rule of overload) would never see it recover.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

EVERY: Final = 5.0
"""Seconds between two looks."""
LOOKS: Final = 3
"""So many in a row have to find it free: what a load takes and frees all the time stays with the process."""
LEAST: Final = 16 << 20
"""Bytes below which nothing is given back: it costs a page fault for every 4 KiB that is wanted again."""


class Heap(Protocol):
    """The C library's memory."""

    def free(self) -> int:
        """Bytes that it keeps and nobody uses."""

    def trim(self) -> None:
        """Give them back."""


class _Arenas(ctypes.Structure):
    """``struct mallinfo2``, see mallinfo(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
        )
    )  # fmt: skip


class Glibc:
    """A ``Heap``. Raises AttributeError where the C library is another one, or older than 2.33."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._information = library.mallinfo2
        self._information.restype = _Arenas
        self._trim = library.malloc_trim

    def free(self) -> int:
        """See ``Heap``."""
        return int(self._information().fordblks)

    def trim(self) -> None:
        """See ``Heap``."""
        self._trim(0)


class SpareMemory:
    """Looks now and then, and decides."""

    def __init__(self, heap: Heap) -> None:
        self._heap = heap
        self._looks = 0
        self._given = 0
        """Bytes that count as free and are with the system already; what is used again is no longer among them."""

    def look(self) -> None:
        """Give back what was free for so many looks."""
        free = self._heap.free()
        self._given = min(self._given, free)
        self._looks = self._looks + 1 if free - self._given >= LEAST else 0
        if self._looks >= LOOKS:
            self._looks = 0
            self._heap.trim()
            self._given = free


@contextlib.asynccontextmanager
async def giving_back(make_heap: Callable[[], Heap] = Glibc, every: float = EVERY) -> AsyncIterator[None]:
    """Look again and again in the block, with so many seconds between; nothing where the C library cannot tell."""
    try:
        spare = SpareMemory(make_heap())
    except AttributeError:
        yield
        return
    looking = asyncio.create_task(_look(spare, every), name="spare-memory")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait((looking,))


async def _look(spare: SpareMemory, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        # In a thread: for each 100 MiB that go it takes some 20 ms, and only who wants memory meanwhile waits for it.
        await asyncio.to_thread(spare.look)
