"""Notifies on their way to the application: bounded, in order, with a declared policy when full."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from quicgw_fast.client.errors import ReceiveQueueFull
from quicgw_fast.client.options import ReceivePolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.client.messages import Notify

BEYOND = 8192
"""How many notifies may be kept beyond the queue under ``pause``. A gateway stops at its window (1 024
messages and a quarter), so more than this are several sessions' worth, or a gateway that does not wait."""


class Put(Enum):
    """What became of a notify."""

    QUEUED = "queued"
    KEPT_BACK = "kept back"
    """Not acknowledged until ``on_room`` names it."""
    DROPPED_OLDEST = "dropped oldest"


class ReceiveQueue:
    """A bounded queue with one writer and any number of readers.

    ``on_room(generation, seq)`` is called for each notify that was kept back once it is within the bound.
    """

    def __init__(self, size: int, policy: ReceivePolicy, on_room: Callable[[int, int], None]) -> None:
        self.size = size
        self._policy = policy
        self._on_room = on_room
        self._ready: deque[Notify] = deque()
        self._beyond: deque[tuple[int, Notify]] = deque()
        self._readers: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._was_read = False
        self._dropping = False

    @property
    def beyond(self) -> int:
        """Notifies that were kept back."""
        return len(self._beyond)

    @property
    def may_drop(self) -> bool:
        """Nobody has read yet, and the policy is to drop for a program that never will; drop_unread() begins it."""
        return self._policy is ReceivePolicy.AUTO and not self._was_read and not self._dropping

    def drop_unread(self) -> int:
        """Keep only the newest from now on, until somebody reads; returns how many went."""
        self._dropping = True
        dropped = len(self._beyond)
        while self._beyond:
            generation, notify = self._beyond.popleft()
            self._ready.popleft()
            self._ready.append(notify)
            self._on_room(generation, notify.seq_id)
        return dropped

    def __len__(self) -> int:
        """Notifies that wait, those beyond the bound included."""
        return len(self._ready) + len(self._beyond)

    def put(self, notify: Notify, generation: int) -> Put:
        """Take a notify; raises ReceiveQueueFull under the policy ``fail``, or when far too many were kept back."""
        if len(self._ready) < self.size:
            self._ready.append(notify)
            self._wake_one()
            return Put.QUEUED
        if self._policy is ReceivePolicy.DROP_OLDEST or self._dropping:
            self._ready.popleft()
            self._ready.append(notify)
            return Put.DROPPED_OLDEST
        if self._policy is ReceivePolicy.FAIL or len(self._beyond) >= BEYOND:
            raise ReceiveQueueFull(len(self))
        self._beyond.append((generation, notify))
        return Put.KEPT_BACK

    def get_nowait(self) -> Notify | None:
        """Return the oldest notify, None when there is none."""
        self._was_read, self._dropping = True, False
        if not self._ready:
            return None
        notify = self._ready.popleft()
        if self._beyond:
            generation, next_one = self._beyond.popleft()
            self._ready.append(next_one)
            self._on_room(generation, next_one.seq_id)
        return notify

    async def get(self) -> Notify | None:
        """Wait for the oldest notify; None when the queue is closed and empty."""
        self._was_read, self._dropping = True, False
        while not self._ready:
            if self._closed:
                return None
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            try:
                await reader
            except asyncio.CancelledError:
                if reader.done() and not reader.cancelled():
                    self._wake_one()  # it was woken for a notify that another reader must take now
                raise
        return self.get_nowait()

    def discard_kept_back(self) -> None:
        """Drop what was never acknowledged: whoever resumes the session gets it again."""
        self._beyond.clear()

    def close(self) -> None:
        """Nothing more comes; readers get what is left, then None."""
        self._closed = True
        while self._readers:
            self._wake_one()

    def _wake_one(self) -> None:
        while self._readers:
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(None)
                return
