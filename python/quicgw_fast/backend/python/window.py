"""Messages that were sent and not acknowledged yet, and the memory that all sessions may take for them."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, final

from quicgw_fast.backend.python import checks

if TYPE_CHECKING:
    from collections.abc import Iterator


@final
class ByteBudget:
    """Bytes that the retained messages of many outboxes may take together.

    limit: bytes. Replies may go a quarter beyond it, and one message always fits into an empty window.
    """

    __slots__ = ("__weakref__", "_limit", "_used")

    def __init__(self, limit: int) -> None:
        self._limit = checks.u64(limit)
        self._used = 0

    @property
    def limit(self) -> int:
        """The bound in bytes, without the reserve for replies."""
        return self._limit

    @property
    def used(self) -> int:
        """Bytes taken now."""
        return self._used


class Window:
    """The retained frames of one session, oldest first, and of each whether it is a response.

    The kinds outlive the frames: a session that overflowed or ended can still say what its client missed.
    """

    __slots__ = ("_budget", "bytes", "bytes_limit", "frames", "limit", "responses")

    def __init__(self, limit: int, bytes_limit: int, budget: ByteBudget | None) -> None:
        self.limit = limit
        self.bytes_limit = bytes_limit
        self.bytes = 0
        self.frames: deque[bytes] = deque()
        self.responses: deque[bool] = deque()
        self._budget = budget

    def retain(self, frames: list[bytes], responses: list[bool], reserve: bool) -> bool:
        """Keep frames if all of them fit, else none and return False. reserve: a quarter more may be used."""
        size = sum(map(len, frames))
        if not self._fits(len(frames), size, reserve):
            return False
        self.frames += frames
        self.responses += responses
        self._account(size)
        return True

    def free(self, n: int) -> int:
        """Forget the n oldest messages; return how many frames that were."""
        for _ in range(n):
            self.responses.popleft()
        freed = [self.frames.popleft() for _ in range(min(n, len(self.frames)))]
        self._account(-sum(map(len, freed)))
        return len(freed)

    def drop(self) -> None:
        """Forget all frames, but not their kinds."""
        self.frames.clear()
        self._account(-self.bytes)

    def after(self, skip: int) -> Iterator[bytes]:
        """Return the frames without the skip oldest."""
        return islice(self.frames, min(skip, len(self.frames)), None)

    def kinds(self, skip: int) -> tuple[int, int]:
        """Count (responses, notifies) without the skip oldest messages."""
        skip = min(skip, len(self.responses))
        responses = sum(islice(self.responses, skip, None))
        return responses, len(self.responses) - skip - responses

    def _fits(self, messages: int, size: int, reserve: bool) -> bool:
        if messages == 1 and not self.frames:
            return True  # one message always fits into an empty window, whatever its size (contract §5)
        budget = self._budget
        return (
            len(self.frames) + messages <= _bound(self.limit, reserve)
            and self.bytes + size <= _bound(self.bytes_limit, reserve)
            and (budget is None or budget.used + size <= _bound(budget.limit, reserve))
        )

    def _account(self, size: int) -> None:
        self.bytes += size
        if self._budget is not None:
            self._budget._used += size

    def __del__(self) -> None:
        """Give the budget back even if the session was never closed."""
        self.drop()


def _bound(limit: int, reserve: bool) -> int:
    return limit + limit // 4 if reserve else limit
