"""The lowest of many by a name that they keep: a page of a list that several gateways have a part of each."""

from __future__ import annotations

from operator import itemgetter
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_SPARE: Final = 4
"""How many times as many as are wanted are kept before they are sorted out."""


class Lowest(Generic[T]):
    """Keeps so many of those that it is offered: those with the lowest names behind one."""

    def __init__(self, behind: str, most: int) -> None:
        self._behind = behind
        self._most = most
        self._kept: list[tuple[str, T]] = []
        self._bound: str | None = None
        """Who is not below it has no place any more."""
        self._left_out = False

    def offer(self, name: str, item: T) -> None:
        """Take one, unless it is too low or too high."""
        if name <= self._behind:
            return
        if self._bound is not None and name >= self._bound:
            self._left_out = True
            return
        self._kept.append((name, item))
        if len(self._kept) >= _SPARE * (self._most + 1):
            self._sort_out()
            self._bound = self._kept[-1][0]

    def page(self) -> tuple[list[T], str | None]:
        """Those that are kept, in their order, and the name behind which there are more; None where there are none."""
        self._sort_out()
        return [item for _, item in self._kept], self._kept[-1][0] if self._left_out else None

    def _sort_out(self) -> None:
        self._kept.sort(key=itemgetter(0))
        self._left_out = self._left_out or len(self._kept) > self._most
        del self._kept[self._most :]
