"""The one registry of what the gateway counts and measures.

Each part registers its counters, gauges and durations once, when it is made: a name, what it means, its unit and, where
it is told apart by something, the label with all values that it can have. Whoever shows them (``/stats``, and whatever
comes) renders the same samples and knows nothing of the parts.

Counting is ``counter.value += 1``: no call and no look-up on the way of a message. Whatever exists anyway, such as the
length of a queue, is a gauge that is read when somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

DURATION_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes of a duration, in seconds; one class more is for what is longer."""


class MetricKind(Enum):
    """How a value may change."""

    COUNTER = "counter"
    """It only grows."""
    GAUGE = "gauge"
    """It goes up and down."""
    DURATION = "duration"
    """A distribution of seconds."""


class Unit(Enum):
    """What a number is a number of."""

    EVENTS = "events"
    BYTES = "bytes"
    SECONDS = "seconds"


class Counter:
    """A whole number that only grows: ``counter.value += 1``."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Duration:
    """How long something took, in classes that are fixed from the start."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = DURATION_BOUNDS) -> None:
        """``bounds`` are seconds, growing."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Note one that took so long."""
        self.sum += seconds
        for index, bound in enumerate(self.bounds):
            if seconds <= bound:
                self.counts[index] += 1
                return
        self.counts[-1] += 1


class Sample(NamedTuple):
    """One value of a family; ``label`` is "" where the family is not told apart by anything."""

    label: str
    value: float | Duration


@dataclass(frozen=True, slots=True)
class Family:
    """Everything that is registered under one name."""

    name: str
    kind: MetricKind
    unit: Unit
    help: str
    label: str
    """What the samples are told apart by; empty for a single one."""
    values: tuple[str, ...]
    """All values that the label can have."""
    read: Callable[[], Iterable[Sample]] = field(repr=False)


class Metrics:
    """All families of one gateway, in the order in which they were registered."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._counters: dict[str, Counter] = {}
        self._labelled: dict[str, Mapping[str, Counter]] = {}

    def counter(self, name: str, help: str, unit: Unit = Unit.EVENTS) -> Counter:
        """Register a counter. Raises ValueError for a name that is taken."""
        counter = Counter()
        self._add(Family(name, MetricKind.COUNTER, unit, help, "", (), lambda: [Sample("", counter.value)]))
        self._counters[name] = counter
        return counter

    def counters(self, name: str, help: str, label: str, values: Iterable[str]) -> Mapping[str, Counter]:
        """Register a counter for each of ``values``: there are never others. Raises ValueError as ``counter``."""
        made = {value: Counter() for value in values}
        self._add(
            Family(
                name,
                MetricKind.COUNTER,
                Unit.EVENTS,
                help,
                label,
                tuple(made),
                lambda: [Sample(value, counter.value) for value, counter in made.items()],
            )
        )
        self._labelled[name] = made
        return made

    def gauge(self, name: str, help: str, read: Callable[[], float], unit: Unit = Unit.EVENTS) -> None:
        """Register what ``read`` gives when somebody looks. Raises ValueError as ``counter``."""
        self._add(Family(name, MetricKind.GAUGE, unit, help, "", (), lambda: [Sample("", read())]))

    def duration(self, name: str, help: str) -> Duration:
        """Register a distribution of seconds. Raises ValueError as ``counter``."""
        duration = Duration()
        self._add(Family(name, MetricKind.DURATION, Unit.SECONDS, help, "", (), lambda: [Sample("", duration)]))
        return duration

    def count(self, name: str, label: str = "") -> int:
        """The value of a counter now, of one label where it has such. KeyError for what is not registered."""
        return self.labelled(name)[label].value if label else self._counters[name].value

    def labelled(self, name: str) -> Mapping[str, Counter]:
        """All counters of a family that has a label. KeyError for a name that is not registered as one."""
        return self._labelled[name]

    def counters_now(self) -> dict[str, int]:
        """The values of all counters that are not told apart by a label."""
        return {name: counter.value for name, counter in self._counters.items()}

    def __iter__(self) -> Iterator[Family]:
        return iter(self._families.values())

    def _add(self, family: Family) -> None:
        if family.name in self._families:
            raise ValueError(f"{family.name} is registered twice")
        self._families[family.name] = family
