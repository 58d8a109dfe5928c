"""What is measured: a figure, of several variants in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Figures = Mapping[str, float]
    Measure = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True)
class Row:
    """One line of the table of marks."""

    name: str
    """By which it is asked for."""
    what: str
    """Figure and unit; it is the first one that a variant gives."""
    variants: Mapping[str, Measure]
    """What is measured in turn; the others are compared to the first one."""
    mark: str
    """What was aimed at."""
    limit: str = ""
    """What nothing on this machine can do without."""
