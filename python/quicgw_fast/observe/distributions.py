"""How often something took how long, or was how much: what histograms show, and percentiles are read from.

Noting a value is an ``append`` to a list, as it is done on the way of every message; the list is counted when somebody
looks, and in every round of the housekeeping (``sort``), so that it stays short.

Counted are classes that become wider with the value, as in HdrHistogram (Tene 2012): the upper half of the value as a
32-bit float, which is its exponent and the first seven bits of its fraction. So every doubling has 128 classes, a value
is known to 1/128 of itself, and the middle of its class is wrong by 0.4 % at most. To count them takes no Python for a
single value, and no longer than to look for the place of each between a dozen bounds.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DURATION_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes of a duration, in seconds; one class more is for what is longer."""
SHORT_BOUNDS: Final = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0)
"""The same for what is done in one turn of the loop."""

_UPPER_HALF: Final = slice(1 if sys.byteorder == "little" else 0, None, 2)


class Distribution:
    """Values of one kind, none below 0."""

    __slots__ = ("_classes", "_sum", "_unsorted", "bounds", "observe", "observe_all")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """``bounds``, growing, are where a histogram of it is divided."""
        self.bounds = bounds
        self._classes: Counter[int] = Counter()
        self._sum = 0.0
        self._unsorted: list[float] = []
        self.observe: Callable[[float], None] = self._unsorted.append
        """Note one."""
        self.observe_all: Callable[[Iterable[float]], None] = self._unsorted.extend
        """Note several."""

    @property
    def classes(self) -> Mapping[int, int]:
        """How many there were by class; the same object each time."""
        self.sort()
        return self._classes

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.classes.values())

    @property
    def counts(self) -> list[int]:
        """How many were up to each bound and above the one before it, and at last how many were above all."""
        return divide(self.classes, self.bounds)

    @property
    def sum(self) -> float:
        """Of all values."""
        self.sort()
        return self._sum

    def sort(self) -> None:
        """Count what was noted."""
        if self._unsorted:
            self._sum += sum(self._unsorted)
            self._classes.update(_classes_of(self._unsorted))
            self._unsorted.clear()


class Duration(Distribution):
    """How long something took, in seconds."""

    __slots__ = ()

    def __init__(self, bounds: tuple[float, ...] = DURATION_BOUNDS) -> None:
        """``bounds`` are seconds, growing."""
        super().__init__(bounds)


def divide(classes: Mapping[int, int], bounds: Sequence[float]) -> list[int]:
    """Return how many values were up to each bound and above the one before it, and at last how many above all.

    A class that a bound divides counts as below it: a bound is exact to 1/128 of itself.
    """
    counts = [0] * (len(bounds) + 1)
    for found, count in classes.items():
        counts[bisect_left(bounds, _lower(found))] += count
    return counts


def percentiles(classes: Mapping[int, int], shares: Iterable[float]) -> list[float]:
    """Return the values below which these shares (0 to 1, growing) of all are; 0 where there are none."""
    ordered = sorted(classes.items())
    total = sum(classes.values())
    found, below, place = [], 0, 0
    for share in shares:
        while place < len(ordered) and below + ordered[place][1] < share * total:
            below += ordered[place][1]
            place += 1
        found.append(_middle(ordered[min(place, len(ordered) - 1)][0]) if ordered else 0.0)
    return found


def _classes_of(values: list[float]) -> list[int]:
    return memoryview(array("f", values)).cast("B").cast("H")[_UPPER_HALF].tolist()


def _lower(found: int) -> float:
    """The least value of a class, as close to what was written as a class lets it be told."""
    lower: float = struct.unpack(">f", struct.pack(">HH", found, 0))[0]
    return lower


def _middle(found: int) -> float:
    return 0.0 if not found else (_lower(found) + _lower(found + 1)) / 2
