"""Who has to go when a memory that many share is full: that of all sessions (protocol §5), or of all connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

FREE_TO: Final = 0.9
"""Share of the limit down to which room is made, so that a full memory is not looked through for every message."""


class Holding(NamedTuple):
    """What one of them has of the shared memory."""

    memory: int
    """Bytes."""
    attached: bool
    """Whether its client is connected and may still take what it is owed."""


def choose(holdings: Iterable[tuple[T, Holding]], wanted: int) -> list[T]:
    """Choose who has to give back what it holds, so that ``wanted`` bytes are free, or as many as can be.

    Those without a connection go first, of both kinds the largest. Nobody below the mean of those that hold anything
    has to go: it pays for no others.
    """
    holders = [(who, holding) for who, holding in holdings if holding.memory > 0]
    total = sum(holding.memory for _, holding in holders)
    large = [(who, holding) for who, holding in holders if holding.memory * len(holders) >= total]
    large.sort(key=lambda entry: (entry[1].attached, -entry[1].memory))
    chosen: list[T] = []
    freed = 0
    for who, holding in large:
        if freed >= wanted:
            break
        chosen.append(who)
        freed += holding.memory
    return chosen
