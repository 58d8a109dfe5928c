"""Messages that were sent and not acknowledged yet."""

from __future__ import annotations

from collections import deque
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from quicgw_fast.backend.python.budget import with_reserve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Counts = tuple[int, int]
"""How many (responses, notifies)."""


def add_counts(one: Counts, other: Counts) -> Counts:
    """Return both together."""
    return one[0] + other[0], one[1] + other[1]


class Kind(Enum):
    """What a message counts as when it was missed."""

    RESPONSE = 0
    """A reply or a refusal."""
    ATTACHED = 1
    """A notify that belongs to a request: without it, it means nothing."""
    NOTIFY = 2
    """A notify of its own."""
    KEPT = 3
    """A notify whose original is kept elsewhere: losing this one loses nothing."""


def count(kinds: Iterable[Kind]) -> Counts:
    """Return how many of each kind, without the kept ones."""
    responses = notifies = 0
    for kind in kinds:
        responses += kind is Kind.RESPONSE
        notifies += kind in (Kind.ATTACHED, Kind.NOTIFY)
    return responses, notifies


class Window:
    """The retained frames of one session, oldest first, and of each its kind.

    The kinds outlive the frames: a session that overflowed or ended can still say what its client missed.
    """

    __slots__ = ("_kinds", "bytes", "bytes_limit", "frames", "limit")

    def __init__(self, limit: int, bytes_limit: int) -> None:
        self.limit = limit
        self.bytes_limit = bytes_limit
        self.bytes = 0
        self.frames: deque[bytes] = deque()
        self._kinds: deque[Kind] = deque()

    @property
    def fill(self) -> float:
        """By messages or bytes, whichever is more; 1.0 is full, more is the reserve."""
        return max(len(self.frames) / self.limit, self.bytes / self.bytes_limit)

    def has_room(self, messages: int, size: int, *, reserve: bool) -> bool:
        """Whether frames of size bytes together are within the bounds; reserve: a quarter more may be used."""
        return len(self.frames) + messages <= with_reserve(self.limit, reserve) and (
            self.bytes + size <= with_reserve(self.bytes_limit, reserve)
        )

    def keep(self, frame: bytes, kind: Kind) -> None:
        """Retain a frame."""
        self.bytes += len(frame)
        self.frames.append(frame)
        self._kinds.append(kind)

    def free(self, n: int) -> tuple[int, int, Counts]:
        """Forget the n oldest messages; return how many frames and bytes that were, and the counts."""
        counts = count([self._kinds.popleft() for _ in range(n)])
        freed = [self.frames.popleft() for _ in range(min(n, len(self.frames)))]
        size = sum(map(len, freed))
        self.bytes -= size
        return len(freed), size, counts

    @property
    def all_kinds(self) -> Iterable[Kind]:
        """Of each message that is not acknowledged, retained or not."""
        return self._kinds

    def become(self, frames: list[bytes], kinds: list[Kind]) -> None:
        """Have these instead of nothing."""
        self.frames.extend(frames)
        self._kinds.extend(kinds)
        self.bytes = sum(map(len, frames))

    def drop_frames(self) -> None:
        """Forget all frames, but not their kinds."""
        self.frames.clear()
        self.bytes = 0

    def after(self, skip: int) -> Iterator[tuple[bytes, Kind]]:
        """Return the frames without the skip oldest, with their kinds."""
        return islice(zip(self.frames, self._kinds, strict=False), min(skip, len(self.frames)), None)

    def kinds(self, skip: int) -> Counts:
        """Count what there is without the skip oldest messages."""
        return count(islice(self._kinds, min(skip, len(self._kinds)), None))
