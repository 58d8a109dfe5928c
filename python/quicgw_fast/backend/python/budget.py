"""The memory that all sessions may take together for what they keep, and the share of one of them."""

from __future__ import annotations

from typing import final

from quicgw_fast.backend.constants import MESSAGE_COST
from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.backend.python import checks


def cost(messages: int, size: int) -> int:
    """Return what so many messages of size bytes together count in the budget."""
    return size + messages * MESSAGE_COST


@final
class ByteBudget:
    """Bytes that many outboxes may take together for what they keep: retained, bound and held messages.

    limit: bytes, of which each message takes 96 on top of its own. Replies may go a quarter beyond it, and nothing
    beyond that.
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


def with_reserve(limit: int, reserve: bool) -> int:
    """Return a bound, or with the reserve a quarter more."""
    return limit + limit // 4 if reserve else limit


class Share:
    """What one outbox takes from a budget, or from nothing; given back at the latest when it is dropped."""

    __slots__ = ("_budget", "taken")

    def __init__(self, budget: ByteBudget | None) -> None:
        self._budget = budget
        self.taken = 0

    def has_room(self, size: int, *, reserve: bool) -> bool:
        """Whether so many bytes more could be taken now."""
        budget = self._budget
        return size == 0 or budget is None or budget._used + size <= with_reserve(budget._limit, reserve)

    def take(self, size: int, *, reserve: bool) -> None:
        """Take bytes, or raise BudgetFull; none can always be taken."""
        if not self.has_room(size, reserve=reserve):
            raise BudgetFull(size)
        self._change(size)

    def give_back(self, size: int) -> None:
        """Take fewer."""
        self._change(-size)

    def give_back_all(self) -> None:
        """Take none any more."""
        self._change(-self.taken)

    def _change(self, size: int) -> None:
        self.taken += size
        if self._budget is not None:
            self._budget._used += size

    def __del__(self) -> None:
        """Give back what is left even if the session was never closed."""
        self.give_back_all()
