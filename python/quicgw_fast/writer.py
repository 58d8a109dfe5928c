"""Writing to a file descriptor that may take its time, from a thread of its own: whoever writes never waits.

A pipe that nobody empties takes 64 KiB and then holds whoever writes to it for ever. In an event loop that would be
everybody.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Writer:
    """A bounded queue in front of a descriptor, and the thread that empties it.

    With ``notice`` what does not fit, or cannot be written, is dropped and counted, and ``notice(count)`` is written as
    soon as something can be written again. Without one nothing is ever dropped: ``put`` takes everything, and an error
    stays in ``error``; what comes behind it is not written any more. The thread is a daemon: it never holds up the end
    of the process.
    """

    def __init__(self, descriptor: int, *, limit: int = 0, notice: Callable[[int], bytes] | None = None) -> None:
        """``limit`` is how many bytes may wait; only with ``notice``."""
        self.error: OSError | None = None
        self.dropped = 0
        """How many pieces were dropped so far."""
        self._descriptor = descriptor
        self._limit = limit
        self._notice = notice
        self._told = 0
        self._waiting: deque[bytes] = deque()
        self._size = 0
        """Bytes that wait or are being written."""
        self._changed = threading.Condition()  # re-entrant: a finalizer may log while something is put
        self._busy = False
        self._thread: threading.Thread | None = None

    def put(self, data: bytes) -> None:
        """Have ``data`` written behind everything before; returns at once."""
        with self._changed:
            if self._notice is not None and self._size + len(data) > self._limit:
                self.dropped += 1
                return
            if self.error is not None:
                return
            self._tell_dropped()
            self._enter(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="quicgw writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Bytes that wait or are being written."""
        return self._size

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until everything is written or cannot be; False when ``timeout`` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def _enter(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)

    def _tell_dropped(self) -> None:
        """Enter the notice where the dropped ones would have been."""
        if self._notice is not None and self.dropped > self._told:
            self._enter(self._notice(self.dropped - self._told))
            self._told = self.dropped

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                piece = self._waiting.popleft()
                self._busy = True
            error = self._write(piece)
            with self._changed:
                self._size -= len(piece)
                self._busy = False
                if error is None:
                    if not self._waiting:
                        self._tell_dropped()
                elif self._notice is not None:
                    self.dropped += 1
                else:
                    self.error = error
                    self._waiting.clear()
                self._changed.notify_all()

    def _write(self, piece: bytes) -> OSError | None:
        try:
            view = memoryview(piece)
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:  # another process that shares it has made it non-blocking
                    _writable(self._descriptor, None)
        except OSError as error:
            return error
        return None


def write_if_free(descriptor: int, data: bytes) -> bool:
    """Write at once what is shorter than a pipe's page (4 096 bytes), or not at all when it would have to wait."""
    return _writable(descriptor, 0) and os.write(descriptor, data) == len(data)


def _writable(descriptor: int, timeout: int | None) -> bool:
    """Wait so many milliseconds, or for ever, until something can be written; of any number, unlike select()."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(timeout))
