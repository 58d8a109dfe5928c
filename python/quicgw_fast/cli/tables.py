"""What commands show of a gateway: tables for people, one JSON object for programs, and how far something is."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

VERSION: Final = 1
"""Of the objects that ``--json`` prints: keys are added, and none is taken away or given another meaning."""
GAP = "  "

_COLORS = {"green": "32", "yellow": "33", "red": "31", "bold": "1"}


def say_document(fields: Mapping[str, Any]) -> None:
    """Print the one object of ``--json``."""
    print(json.dumps({"version": VERSION, **fields}), flush=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Return lines with columns as wide as what is in them; the last one is not filled up."""
    cells = [list(headings), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
        yield GAP.join(padded).rstrip()


def is_too_wide(lines: Sequence[str]) -> bool:
    """Whether a table would be wrapped on the terminal that is there."""
    return sys.stdout.isatty() and max(map(width, lines), default=0) > shutil.get_terminal_size().columns


def shown(cell: object) -> str:
    """Write one cell on one line: what a client is called must not move the cursor."""
    return "–" if cell is None or cell == "" else printable(str(cell), None)


def counted(number: float, what: str) -> str:
    """Write so many of something: 1 session, 2 sessions."""
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def width(text: str) -> int:
    """Return how many columns a terminal needs for it."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)


def painted(text: str, color: str) -> str:
    """Color it on a terminal that may have colors (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{_COLORS[color]}m{text}\033[0m"


def ago(moment: float | None, now: float | None = None) -> str:
    """Write how long a moment, in seconds since 1970, is past."""
    if moment is None:
        return "–"
    return lasting(max(0.0, (time.time() if now is None else now) - moment))


def lasting(seconds: float) -> str:
    """Write a time in two of its units at most."""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    for unit, long, part, short in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= long:
            rest = int(seconds % long // short)
            return f"{int(seconds // long)}{unit}" + (f"{rest}{part}" if rest else "")
    raise AssertionError(seconds)


def amount(count: float | None) -> str:
    """Write bytes in the unit that leaves one to four digits."""
    if count is None:
        return "–"
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f}{unit}" if unit == "B" or count >= 10 else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.1f}GiB"


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show on a terminal that something goes on: on standard error, which is nobody's input."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …"):
        yield


@contextmanager
def live_line(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Give a function that shows how far something is: in one place on a terminal, as lines when it changes elsewhere.

    It goes to standard error.
    """
    if quiet:
        yield lambda _line: None
    elif sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("") as status:
            yield status.update
    else:
        last = ""

        def show(line: str) -> None:
            nonlocal last
            if line != last:
                print(line, file=sys.stderr, flush=True)
            last = line

        yield show
