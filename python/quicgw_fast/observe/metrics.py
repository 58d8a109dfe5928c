"""The one registry of what the gateway counts and measures.

Each part registers its counters, gauges and durations once, when it is made: a name, what it means, its unit and, where
it is told apart by something, the labels with all values that they can have. Whoever shows them (``/stats``, and
whatever comes) renders the same samples and knows nothing of the parts.

A name is what is counted, without the unit and without ``total``: a page that wants those in the name makes it of the
family's kind and unit. Counting is ``counter.value += 1``: no call and no look-up on the way of a message. Whatever
exists anyway, such as the length of a queue, is read when somebody looks.

Of some parts there are several, such as the processors and the gates of overload. Each is given its own
``Metrics.part``, and then registers the same families: they differ in one label.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from quicgw_fast.observe.distributions import DURATION_BOUNDS, Distribution, Duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UNIT_IN_NAME = re.compile(r".*_(total|bytes|seconds)")

K = TypeVar("K", str, tuple[str, ...])
"""One value, or one for each of several labels."""


class MetricKind(Enum):
    """How a value may change."""

    COUNTER = "counter"
    """It only grows."""
    GAUGE = "gauge"
    """It goes up and down."""
    DURATION = "duration"
    """A distribution of seconds."""
    DISTRIBUTION = "distribution"
    """One of something else."""


class Unit(Enum):
    """What a number is a number of."""

    COUNT = "count"
    """Of the things or events that the name says."""
    FLAG = "flag"
    """0 or 1, or False or True."""
    BYTES = "bytes"
    SECONDS = "seconds"


class Counter:
    """A whole number that only grows: ``counter.value += 1``."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


Value: TypeAlias = "float | Distribution"


class Sample(NamedTuple):
    """One value of a family."""

    labels: tuple[str, ...]
    """The values of the family's labels, in their order."""
    value: Value


class Family:
    """Everything that is registered under one name."""

    def __init__(self, name: str, kind: MetricKind, unit: Unit, help: str, labels: tuple[str, ...]) -> None:
        """``labels`` are the names of what the samples are told apart by; none for a single sample."""
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.labels = labels
        self._sources: list[tuple[Sequence[tuple[str, ...]], Callable[[], Iterable[Value]]]] = []

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """All values that the labels can have: there are never other samples."""
        return [key for keys, _ in self._sources for key in keys]

    def read(self) -> Iterator[Sample]:
        """All samples as they are now."""
        for keys, values in self._sources:
            yield from map(Sample, keys, values())

    def values(self) -> list[Value]:
        """The values of all samples as they are now."""
        return [value for _, values in self._sources for value in values()]

    def add(self, keys: Sequence[tuple[str, ...]], values: Callable[[], Iterable[Value]]) -> None:
        """Have samples with these labels; ``values`` gives theirs in that order. ValueError for one that is there."""
        known = self.keys
        for place, key in enumerate(keys):
            if key in known or key in keys[:place]:
                raise ValueError(f"{' '.join((self.name, *key))} is registered twice")
            if len(key) != len(self.labels):
                raise ValueError(f"{self.name}: {key} does not have a value for each of {self.labels}")
        self._sources.append((keys, values))


class Metrics:
    """All families of one gateway, in the order in which they were registered.

    Every registration raises ValueError, saying what is wrong, for what no page could show: a name or label that is
    not one, no help, the same sample twice.
    """

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._distributions: list[Distribution] = []
        self._part: tuple[tuple[str, str], ...] = ()
        """The labels that all of this part carries, each with its value."""

    def part(self, label: str, value: str) -> Metrics:
        """The same registry for one of several parts: whatever it registers carries this label before its own."""
        part = Metrics()
        part._families = self._families
        part._distributions = self._distributions
        part._part = (*self._part, (label, value))
        return part

    def counter(self, name: str, help: str, unit: Unit = Unit.COUNT) -> Counter:
        """Register a counter."""
        return self.counters(name, help, (), [()], unit)[()]

    def counters(
        self, name: str, help: str, labels: K, keys: Iterable[K], unit: Unit = Unit.COUNT
    ) -> Mapping[K, Counter]:
        """Register a counter for each of ``keys``, the values that ``labels`` can have: there are never others."""
        made = [(key, Counter()) for key in keys]

        def values() -> list[float]:
            return [counter.value for _, counter in made]

        self._register(name, MetricKind.COUNTER, unit, help, _tuple(labels), [_tuple(key) for key, _ in made], values)
        return dict(made)

    def total(self, name: str, help: str, read: Callable[[], float], unit: Unit = Unit.COUNT) -> None:
        """Register a counter that somebody keeps already: ``read`` gives it when somebody looks."""
        self._register(name, MetricKind.COUNTER, unit, help, (), [()], lambda: [read()])

    def gauge(self, name: str, help: str, read: Callable[[], float], unit: Unit = Unit.COUNT) -> None:
        """Register what ``read`` gives when somebody looks."""
        self._register(name, MetricKind.GAUGE, unit, help, (), [()], lambda: [read()])

    def gauges(
        self,
        name: str,
        help: str,
        labels: K,
        keys: Iterable[K],
        read: Callable[[], Mapping[K, float]],
        unit: Unit = Unit.COUNT,
    ) -> None:
        """Register a gauge for each of ``keys``, as ``counters`` does; one ``read`` gives the values of them all."""
        listed = list(keys)

        def values() -> list[float]:
            now = read()
            return [now[key] for key in listed]

        self._register(name, MetricKind.GAUGE, unit, help, _tuple(labels), [_tuple(key) for key in listed], values)

    def duration(self, name: str, help: str, bounds: tuple[float, ...] = DURATION_BOUNDS) -> Duration:
        """Register a distribution of seconds."""
        return self.durations(name, help, (), [()], bounds)[()]

    def durations(
        self, name: str, help: str, labels: K, keys: Iterable[K], bounds: tuple[float, ...] = DURATION_BOUNDS
    ) -> Mapping[K, Duration]:
        """Register a distribution of seconds for each of ``keys``, as ``counters`` does."""
        made = [(key, Duration(bounds)) for key in keys]
        took, of_keys = [duration for _, duration in made], [_tuple(key) for key, _ in made]
        self._register(name, MetricKind.DURATION, Unit.SECONDS, help, _tuple(labels), of_keys, lambda: took)
        self._distributions += took
        return dict(made)

    def distribution(self, name: str, help: str, bounds: tuple[float, ...], unit: Unit = Unit.COUNT) -> Distribution:
        """Register a distribution of something else than seconds."""
        made = Distribution(bounds)
        self._register(name, MetricKind.DISTRIBUTION, unit, help, (), [()], lambda: [made])
        self._distributions.append(made)
        return made

    def tend(self, _now: float) -> None:
        """Put what was noted since the last time into its classes."""
        for distribution in self._distributions:
            distribution.sort()

    def count(self, name: str, *labels: str) -> float:
        """The value of one counter or gauge now. KeyError for what is not registered."""
        for sample in self._families[name].read():
            if sample.labels == labels and not isinstance(sample.value, Distribution):
                return sample.value
        raise KeyError(labels)

    def values(self, name: str) -> list[Value]:
        """The values of all samples of a family now; none for one that is not registered."""
        family = self._families.get(name)
        return [] if family is None else family.values()

    def numbers(self, name: str) -> list[float]:
        """The values of a family's counters or gauges now; none for one that is not registered."""
        return [value for value in self.values(name) if not isinstance(value, Distribution)]

    def distributions(self, name: str) -> list[tuple[tuple[str, ...], Distribution]]:
        """The distributions of a family, each with its labels; none for one that is not registered."""
        family = self._families.get(name)
        samples = () if family is None else family.read()
        return [(labels, value) for labels, value in samples if isinstance(value, Distribution)]

    def __iter__(self) -> Iterator[Family]:
        return iter(self._families.values())

    def _register(
        self,
        name: str,
        kind: MetricKind,
        unit: Unit,
        help: str,
        labels: tuple[str, ...],
        keys: Iterable[tuple[str, ...]],
        values: Callable[[], Iterable[Value]],
    ) -> None:
        family = Family(name, kind, unit, help, (*(label for label, _ in self._part), *labels))
        there = self._families.get(name, family)
        if (there.kind, there.unit, there.help, there.labels) != (kind, unit, help, family.labels):
            raise ValueError(f"{name} is registered twice, and not as the same: {there.help!r} and {help!r}")
        _check(family)
        of_part = tuple(value for _, value in self._part)
        there.add([(*of_part, *key) for key in keys], values)
        self._families[name] = there


def _tuple(key: str | tuple[str, ...]) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


def _check(family: Family) -> None:
    """Refuse what a page could not show; ValueError."""
    for name in (family.name, *family.labels):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name; write small letters, digits and _, a letter first")
    unit = _UNIT_IN_NAME.fullmatch(family.name)
    if unit is not None:
        raise ValueError(f"{family.name}: leave out {unit[1]!r}; kind and unit are told with the name")
    if not family.help.strip():
        raise ValueError(f"{family.name} has no help; write what is counted")
