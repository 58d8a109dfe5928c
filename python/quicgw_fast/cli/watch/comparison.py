"""Several gateways side by side: a row for each, with what tells a sick one from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text
from textual.widgets import DataTable

from quicgw_fast.cli.tables import amount
from quicgw_fast.cli.watch import figures
from quicgw_fast.cli.watch.looks import tone

if TYPE_CHECKING:
    from quicgw_fast.cli.watch.reading import GatewayReading, Watched

COLUMNS: Final = (
    "gateway",
    "state",
    "requests/s",
    "5 minutes",
    "refused/s",
    "sessions",
    "queue",
    "p99",
    "CPU",
    "memory",
)
WIDTH: Final = 24
"""Columns of the chart of each."""


class ComparisonTable(DataTable[Text]):
    """A row for each gateway; one that is chosen is shown alone."""

    def __init__(self, watched: list[Watched]) -> None:
        super().__init__(cursor_type="row", id="all")
        self._watched = watched

    def on_mount(self) -> None:
        """Make the rows; they are filled when something is known."""
        for place, name in enumerate(COLUMNS):
            self.add_column(Text(name, justify="left" if place in {0, 1, 3} else "right"), key=name)
        for each in self._watched:
            self.add_row(Text(each.name, "bold"), key=each.name)
            self.show(each)

    def show(self, watched: Watched) -> None:
        """Fill the row of one of them."""
        for column, cell in zip(COLUMNS[1:], self._cells(watched), strict=True):
            self.update_cell(watched.name, column, cell, update_width=True)

    def _cells(self, watched: Watched) -> list[Text]:
        if watched.reading is None:
            state = Text("▲ down", tone(self, "error", "bold")) if watched.trouble else Text("connecting", "dim")
            return [state, *([Text(figures.NOTHING, "dim", justify="right")] * (len(COLUMNS) - 2))]
        cells = self._numbers(watched.reading)
        if watched.trouble is None:
            return [Text("● up", tone(self, "success")), *cells]
        for cell in cells:
            cell.stylize("dim")  # as it was when it was last heard of
        since = f"▲ down since {figures.clock(watched.reading.at)}"
        return [Text(since, tone(self, "error", "bold")), *cells]

    def _numbers(self, reading: GatewayReading) -> list[Text]:
        performance, total = reading["performance"], reading["latency"]["stages"]["total"]["recent"]
        history: list[dict[str, Any]] = performance["history"]
        last, sessions = history[-1] if history else {}, performance["sessions"]
        (line,) = figures.area([row["requests"] for row in history], WIDTH, 1, 1.0)
        texts = (
            figures.rate(last.get("refused")),
            figures.count(sessions["attached"] + sessions["detached"]),
            figures.count(performance["queue"]["length"]),
            figures.took(total.get("p99")) if total["count"] else figures.NOTHING,
            figures.percent(performance["process"]["cpu"]),
            amount(performance["process"]["memory"]),
        )
        chart = Text(line, tone(self, "primary"))
        return [
            Text(figures.rate(last.get("requests")), justify="right"),
            chart,
            *(Text(t, justify="right") for t in texts),
        ]
