"""A bar for work whose length is known: on a terminal alone, on standard error, and gone when the work is done."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quicgw_fast.cli.tables import live_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress

BAR_WIDTH = 30


def bar() -> Progress:
    """Return what draws a bar between the name of a task and ``words`` about it; a task without a total pulses."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(BAR_WIDTH), TaskProgressColumn())
    words = TextColumn("{task.fields[words]}", markup=False)
    return Progress(*columns, words, console=Console(stderr=True), transient=True)


@contextmanager
def steps(total: int, *, quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Give two functions: one says what is done now, one that another of ``total`` steps is done.

    What is done is said by lines where no terminal is, and nothing anywhere if ``quiet``.
    """
    if quiet or not sys.stderr.isatty():
        with live_line(quiet=quiet) as show:
            yield show, lambda: None
        return
    with bar() as drawn:
        task = drawn.add_task("", total=total, words="")
        yield lambda what: drawn.update(task, words=what), lambda: drawn.advance(task)
