"""Standard output that holds up no event loop, and the standard descriptors when the caller closed them."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from quicgw_fast.cli.statuses import Status
from quicgw_fast.writer import Writer

if TYPE_CHECKING:
    from types import TracebackType


class OutputFailed(Exception):
    """What was written to standard output did not get there; ``status`` is how the command ends."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")
        self.status = Status.READER_GONE if error.errno == errno.EPIPE else Status.UNWRITTEN


class Output(io.TextIOBase):
    """Takes the place of ``sys.stdout`` while the context lasts: writing returns at once, a thread does the work.

    A failure is raised as OutputFailed by what is written after it, and at the latest by ``finish``. What lies in
    memory, as in tests, stays as it is.
    """

    def __init__(self) -> None:
        self._stream = sys.stdout
        self._writer: Writer | None = None
        self._abandoned = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of what is written."""
        return self._stream.encoding if self._stream is not None else "utf-8"

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor, for who asks about the terminal; OSError when it is closed or lies in memory."""
        if self._stream is None:
            raise OSError(errno.EBADF, "it is closed")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Have ``text`` written; what its encoding has not is escaped."""
        self._raise()
        assert self._writer is not None
        self._writer.put(text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Raise what went wrong; nothing waits here."""
        self._raise()

    def settle(self, timeout: float | None) -> bool:
        """Wait until everything is written; False when ``timeout`` seconds were not enough. Raises OutputFailed."""
        done = self._writer is None or self._writer.drain(timeout)
        self._raise()
        return done

    def abandon(self) -> None:
        """Do not wait for the reader at the end: it is not what this command is about."""
        self._abandoned = True

    def finish(self) -> None:
        """Wait until everything is written. Raises OutputFailed."""
        if not self._abandoned:
            self.settle(None)

    def __enter__(self) -> Output:
        try:
            self._writer = Writer(self.fileno())
        except io.UnsupportedOperation:  # it lies in memory
            return self
        except OSError as error:
            self._writer = Writer(-1)
            self._writer.error = error
        sys.stdout = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout = self._stream

    def _raise(self) -> None:
        if self._writer is not None and self._writer.error is not None and not self._abandoned:
            raise OutputFailed(self._writer.error)


def open_missing_descriptors() -> None:
    """Open what the caller closed of the descriptors 0, 1 and 2 on the null device.

    The next socket would get that number, and whatever a library says to standard error would go into it.
    ``sys.stdin`` and ``sys.stdout`` stay None, so that reading and writing there fail with a sentence; what goes to
    standard error has nowhere to go.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
