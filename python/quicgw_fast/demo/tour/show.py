"""How the demonstration is shown: colours and a spinner on a terminal, plain lines anywhere else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_SHOWN = 5
"""Violations of one check that are printed; the rest is counted."""


class Show:
    """Tells what happens, and counts the checks."""

    def __init__(self, console: Console | None = None) -> None:
        self.held = 0
        self.violations: list[str] = []
        self._console = console or Console(highlight=False, soft_wrap=True)

    def title(self, text: str) -> None:
        """Begin."""
        self._line(text, "bold")

    @contextmanager
    def scene(self, name: str) -> Iterator[None]:
        """Announce a scene and play it; a spinner turns on a terminal meanwhile."""
        self._line("")
        self._line(name, "bold cyan")
        if self._console.is_terminal:
            with self._console.status(name):
                yield
        else:
            yield

    def say(self, text: str) -> None:
        """Tell what happened."""
        self._line(f"  {text}")

    def check(self, claim: str, violations: Sequence[str]) -> None:
        """Tell whether a claim held: it did when nothing speaks against it."""
        if not violations:
            self.held += 1
            self._line(f"  ok: {claim}", "green")
            return
        self.violations.append(claim)
        self._line(f"  VIOLATED: {claim}", "bold red")
        for violation in violations[:MOST_SHOWN]:
            self._line(f"    {violation}", "red")
        if len(violations) > MOST_SHOWN:
            self._line(f"    and {len(violations) - MOST_SHOWN} more", "red")

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show the report."""
        self._line("")
        if self._console.is_terminal:
            table = Table("", "", show_header=False)
            table.columns[1].justify = "right"
            for row in rows:
                table.add_row(*row)
            self._console.print(table)
            return
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self._line(f"  {name:<{width}}  {value}")

    def verdict(self) -> bool:
        """Tell the end of it; return whether every check held."""
        self._line("")
        if self.violations:
            self._line(
                f"{len(self.violations)} of {self.held + len(self.violations)} checks were violated:", "bold red"
            )
            for claim in self.violations:
                self._line(f"  {claim}", "red")
            return False
        self._line(f"all {self.held} checks held", "bold green")
        return True

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))
