"""Bytes that wait to be written, and how many may."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

MAX_BACKLOG: Final = 8 << 20
"""Bytes of bodies that may wait for one that is put: its sender is asked to try again."""
MAX_HANDED_OVER: Final = 64 << 20
"""The same of ended sessions, with room for many that end at once: nobody can be asked to try again with these."""


class Unwritten:
    """What was given to a disk or a server that has not answered yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = 0
        """Bytes that wait."""

    def takes(self, size: int) -> bool:
        """Whether there is room for so many bytes more; there always is while nothing waits."""
        return not self.size or self.size + size <= self._most

    def add(self, size: int, until: asyncio.Future[Any]) -> None:
        """Count so many bytes until that is done."""
        self.size += size
        until.add_done_callback(partial(self._written, size))

    def _written(self, size: int, _: asyncio.Future[Any]) -> None:
        self.size -= size
