"""Numbers as people read them, and small charts made of characters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from quicgw_fast.cli.tables import lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING: Final = "–"
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_LEFT_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def count(value: float | None) -> str:
    """A whole number, in full."""
    return NOTHING if value is None else f"{value:,.0f}"


def rate(value: float | None) -> str:
    """So many a second."""
    if value is None:
        return NOTHING
    if value >= 10_000:
        return f"{value / 1000:,.1f}k"
    return f"{value:.1f}" if 0 < value < 9.95 and value % 1 else f"{value:,.0f}"


def took(seconds: float | None) -> str:
    """How long something took, with three digits that count."""
    if seconds is None:
        return NOTHING
    if seconds <= 0:
        return "0 ms"
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds)} s" if seconds < 99.95 else lasting(seconds)


def bound(seconds: float) -> str:
    """A round time: 2.5 ms, 10 s."""
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def _digits(value: float) -> str:
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"


def percent(share: float | None) -> str:
    """A share of 1."""
    return NOTHING if share is None else f"{share * 100:.{1 if 0 < share < 0.0995 else 0}f} %"


def clock(at: float | None, *, thousandths: bool = False) -> str:
    """The time of day, here."""
    if at is None:
        return NOTHING
    return time.strftime("%H:%M:%S", time.localtime(at)) + (f".{int(at % 1 * 1000):03}" if thousandths else "")


def area(values: Sequence[float], width: int, height: int, least: float) -> list[str]:
    """Draw the newest of ``values`` from 0 upwards, one column each or the highest of several; the newest is right.

    ``least`` is the lowest top of the scale. Fewer values than columns leave the left empty.
    """
    columns = _columns(values, width)
    top = max([least, *columns])
    eighths = [0 if value <= 0 else max(1, round(value / top * height * 8)) for value in columns]
    lines = []
    for row in range(height - 1, -1, -1):
        cells = (_EIGHTHS[min(8, max(0, each - row * 8))] for each in eighths)
        lines.append("".join(cells).rjust(width))
    return lines


def _columns(values: Sequence[float], width: int) -> list[float]:
    """The highest of each so many values, so that no peak is lost."""
    per_column = max(1, -(-len(values) // max(1, width)))
    # Counted from the newest: a value stays in its column while others come.
    return [max(values[max(0, end - per_column) : end]) for end in range(len(values), 0, -per_column)][::-1]


def heat(columns: Sequence[Sequence[int]], steps: int, lines: int) -> tuple[range, list[list[int]]]:
    """Return the highest class of each row of a heat map, and the step of each cell: 0 for nothing, ``steps`` for most.

    ``columns`` has the counts of one moment, in classes that grow. The rows come with the highest first, as many as are
    worth drawing; where that is more than ``lines``, several classes make one.
    """
    used = [row for row in range(len(columns[0]) if columns else 0) if any(column[row] for column in columns)]
    if not used:
        return range(0), []
    high, low = min(len(columns[0]) - 1, used[-1] + 1), max(0, used[0] - 1)
    together = -(-(high - low + 1) // lines)
    rows = range(high, low - 1, -together)
    sums = [[sum(column[max(low, row - together + 1) : row + 1]) for column in columns] for row in rows]
    most = max(max(cells) for cells in sums)
    # By the root: what is rare is what one looks for.
    return rows, [[-(-int(1000 * steps * (each / most) ** 0.5) // 1000) for each in cells] for cells in sums]


def bar(share: float, width: int) -> str:
    """Draw how much of something is used, as a bar of at most ``width``."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    return (_LEFT_EIGHTHS[8] * (eighths // 8) + _LEFT_EIGHTHS[eighths % 8].strip()).ljust(width)
