"""Notifies on their way to the application: bounded, in order, with a declared policy when full.

The writer is the client, in its event loop; the readers are the application's, in any loop or thread. One lock keeps
the queue whole; nobody calls anything or waits while holding it. A reader that is woken has taken nothing yet: one that
went away meanwhile (cancelled, out of time) wakes the next, so that no notify lies there while somebody waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from enum import Enum
from functools import partial
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

    ``on_room(generation, seq)`` is called for each notify that was kept back once it is within the bound, in the thread
    of whoever made the room.
    """

    def __init__(self, size: int, policy: ReceivePolicy, on_room: Callable[[int, int], None]) -> None:
        self.size = size
        self._policy = policy
        self._on_room = on_room
        self._lock = threading.Lock()
        self._ready: deque[Notify] = deque()
        self._beyond: deque[tuple[int, Notify]] = deque()
        self._readers: deque[Callable[[], None]] = deque()
        """What wakes each reader that waits."""
        self._closed = False
        self._was_read = False
        self._dropping = False

    @property
    def beyond(self) -> int:
        """Notifies that were kept back."""
        return len(self._beyond)

    @property
    def closed(self) -> bool:
        """Nothing more comes."""
        return self._closed

    @property
    def may_drop(self) -> bool:
        """Nobody has read yet, and the policy is to drop for a program that never will; drop_unread() begins it."""
        return self._policy is ReceivePolicy.AUTO and not self._was_read and not self._dropping

    def drop_unread(self) -> int:
        """Keep only the newest from now on, until somebody reads; returns how many went."""
        with self._lock:
            self._dropping = True
            moved = [*self._beyond]
            self._beyond.clear()
            for _, notify in moved:
                self._ready.popleft()
                self._ready.append(notify)
        for generation, notify in moved:
            self._on_room(generation, notify.seq_id)
        return len(moved)

    def __len__(self) -> int:
        """Notifies that wait, those beyond the bound included."""
        return len(self._ready) + len(self._beyond)

    def put(self, notify: Notify, generation: int) -> Put:
        """Take a notify; raises ReceiveQueueFull under the policy ``fail``, or when far too many were kept back."""
        with self._lock:
            if len(self._ready) >= self.size:
                return self._put_beyond(notify, generation)
            self._ready.append(notify)
        self._wake_one()
        return Put.QUEUED

    def _put_beyond(self, notify: Notify, generation: int) -> Put:
        if self._policy is ReceivePolicy.DROP_OLDEST or self._dropping:
            self._ready.popleft()
            self._ready.append(notify)
            return Put.DROPPED_OLDEST
        if self._policy is ReceivePolicy.FAIL or len(self._beyond) >= BEYOND:
            raise ReceiveQueueFull(len(self))
        self._beyond.append((generation, notify))
        return Put.KEPT_BACK

    def get_nowait(self) -> Notify | None:
        """Return the oldest notify, None when there is none; from any thread."""
        with self._lock:
            self._was_read, self._dropping = True, False
            if not self._ready:
                return None
            notify = self._ready.popleft()
            if not self._beyond:
                return notify
            generation, next_one = self._beyond.popleft()
            self._ready.append(next_one)
        self._on_room(generation, next_one.seq_id)
        return notify

    async def get(self) -> Notify | None:
        """Wait for the oldest notify; None when the queue is closed and empty."""
        while (notify := self.get_nowait()) is None:
            loop = asyncio.get_running_loop()
            reader: asyncio.Future[None] = loop.create_future()
            if not self._wait(partial(self._wake_task, loop, threading.get_ident(), reader)):
                return self.get_nowait()
            try:
                await reader
            except asyncio.CancelledError:
                if reader.done() and not reader.cancelled():
                    self._wake_one()  # it was woken for a notify that another reader must take now
                raise
        return notify

    def get_blocking(self, deadline: float | None, now: Callable[[], float]) -> Notify | None:
        """As get(), holding the thread up. Raises TimeoutError when ``now()`` gets to ``deadline``, None: never."""
        while (notify := self.get_nowait()) is None:
            reader = threading.Event()
            if not self._wait(reader.set):
                return self.get_nowait()
            woken = False
            try:
                woken = reader.wait(None if deadline is None else max(deadline - now(), 0.0))
            finally:
                if not woken:  # out of time, or interrupted by Ctrl-C
                    self._leave(reader)
            if not woken:
                raise TimeoutError
        return notify

    def discard_kept_back(self) -> None:
        """Drop what was never acknowledged: whoever resumes the session gets it again."""
        self._beyond.clear()

    def close(self) -> None:
        """Nothing more comes; readers get what is left, then None."""
        with self._lock:
            self._closed = True
            readers = [*self._readers]
            self._readers.clear()
        for wake in readers:
            wake()

    def _wait(self, wake: Callable[[], None]) -> bool:
        """Have ``wake`` called, from any thread, for a notify or the end; False when either is there already."""
        with self._lock:
            if self._ready or self._closed:
                return False
            self._readers.append(wake)
            return True

    def _leave(self, reader: threading.Event) -> None:
        with self._lock:
            waiting = reader.set in self._readers
            if waiting:
                self._readers.remove(reader.set)
        if not waiting:
            self._wake_one()

    def _wake_one(self) -> None:
        with self._lock:
            wake = self._readers.popleft() if self._ready and self._readers else None
        if wake is not None:
            wake()

    def _wake_task(self, loop: asyncio.AbstractEventLoop, thread: int, reader: asyncio.Future[None]) -> None:
        if thread == threading.get_ident():
            self._woken(reader)
            return
        try:
            loop.call_soon_threadsafe(self._woken, reader)
        except RuntimeError:  # its loop is closed, and nobody reads there any more
            self._wake_one()

    def _woken(self, reader: asyncio.Future[None]) -> None:
        if reader.done():
            self._wake_one()
        else:
            reader.set_result(None)
