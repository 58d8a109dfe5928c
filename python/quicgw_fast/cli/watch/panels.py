"""The parts of the view of one gateway; each draws itself from a reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from quicgw_fast.cli.tables import amount, lasting
from quicgw_fast.cli.watch import figures
from quicgw_fast.cli.watch.looks import shades, tone

if TYPE_CHECKING:
    from rich.console import RenderableType

    from quicgw_fast.cli.watch.reading import GatewayReading

STAGES: Final = ("decode", "queue", "upstream", "reply", "flush", "total")
STATES: Final = {
    "well": ("success", "●"),
    "ejected": ("error", "▲"),
    "down": ("error", "▲"),
    "drained": ("dim", "○"),
}
"""Colour and sign of what an instance is; anything else is in between."""
BETWEEN: Final = ("warning", "◐")
NAME, VALUE = 10, 15
"""Columns that a name and a number take."""
TABLE: Final = 48
"""Columns of the table of stages."""


class ReadingPanel(Static):
    """A box with a title, empty until there is a reading."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__(id=name, classes="panel")
        self.border_title = title
        self._reading: GatewayReading | None = None

    def show(self, reading: GatewayReading | None) -> None:
        """Draw it, or nothing."""
        self._reading = reading
        self.update("" if reading is None else self.draw(reading))

    def on_resize(self) -> None:
        """Charts are as wide as there is room."""
        self.show(self._reading)

    def draw(self, reading: GatewayReading) -> RenderableType:
        """Return what is in the box."""
        raise NotImplementedError


class LoadPanel(ReadingPanel):
    """So many a second: now, in the last five minutes, and in all."""

    def __init__(self, key: str, title: str, tone: str) -> None:
        super().__init__(title, f"load-{key}")
        self._key = key
        self._tone = tone

    def draw(self, reading: GatewayReading) -> RenderableType:
        """Return number, chart and sum."""
        performance, width = reading["performance"], max(1, self.content_size.width)
        values = [row[self._key] for row in performance["history"]]
        colour, total = tone(self, self._tone), figures.count(performance["totals"][self._key])
        shown = Text(no_wrap=True)
        shown.append(f"{figures.rate(values[-1] if values else None)}", f"bold {colour}")
        shown.append("/s", "dim")
        peak = f"peak {figures.rate(max(values))}" if values else "collecting"
        shown.append(f"{peak:>{max(0, width - len(shown))}}\n", "dim")
        for line in figures.area(values, width, max(1, self.content_size.height - 2), 1.0):
            shown.append(line + "\n", colour)
        shown.append(f"total {total}")
        return shown


class LatencyPanel(ReadingPanel):
    """What each stage took in the last minute, and how the time of requests changed."""

    def draw(self, reading: GatewayReading) -> RenderableType:
        """Return a heat map with the table beside it; where that is too narrow, the table alone."""
        width = self.content_size.width - TABLE - 2
        if width < 20:
            return self._stages(reading["latency"]["stages"])
        both = Table.grid(padding=(0, 2))
        both.add_column(width=width)
        both.add_column(width=TABLE)
        both.add_row(self._heat(reading["latency"], width), self._stages(reading["latency"]["stages"]))
        return both

    def _heat(self, latency: dict[str, Any], width: int) -> Text:
        colours, bounds = shades(self), latency["bounds"]
        history = latency["history"][-(width - 8) :]
        counts = [column["counts"] for column in history]
        rows, steps = figures.heat(counts, len(colours), max(7, self.content_size.height))
        shown = Text(no_wrap=True)
        for row, cells in zip(rows, steps, strict=True):
            name = figures.bound(bounds[row]) if row < len(bounds) else f">{figures.bound(bounds[-1])}"
            shown.append(f"{name:>7} ", "dim")
            shown.append(" " * (width - 8 - len(cells)))
            for step in cells:
                shown.append("█" if step else " ", colours[step - 1] if step else "")
            shown.append("\n")
        return shown if steps else Text("no requests in the last 5 minutes", "dim")

    def _stages(self, stages: dict[str, Any]) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(ratio=1)
        for _ in range(4):
            table.add_column(justify="right", no_wrap=True)
        table.add_row("", *(Text(name, "dim") for name in ("p50", "p95", "p99", "in all")))
        for name in STAGES:
            if name in stages:
                stage, recent = stages[name], stages[name]["recent"]
                shown = (figures.took(recent[p]) if recent["count"] else figures.NOTHING for p in ("p50", "p95", "p99"))
                style = "bold" if name == "total" else ""
                table.add_row(name, *shown, figures.count(stage["count"]), style=style)
        return table


class StatePanel(ReadingPanel):
    """Work that waits, sessions, and the process."""

    def draw(self, reading: GatewayReading) -> RenderableType:
        """Return a line for each, with a bar or what it was in the last minutes."""
        performance = reading["performance"]
        queue, sessions, process = performance["queue"], performance["sessions"], performance["process"]
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, width=NAME)
        table.add_column(ratio=1, no_wrap=True)
        table.add_column(justify="right", no_wrap=True, width=VALUE)
        for name, value, most in (("queue", "length", "capacity"), ("workers", "busy", "workers")):
            # All workers busy is nothing to warn of; a full queue is.
            used = self._bar(queue[value], queue[most], warns=name == "queue")
            table.add_row(name, used, f"{figures.count(queue[value])} / {figures.count(queue[most])}")
        attached = f"{figures.count(sessions['attached'])} attached"
        table.add_row("sessions", Text(attached), f"{figures.count(sessions['detached'])} detached")
        for key, name, meaning, text, least in (
            ("cpu", "CPU", "primary", figures.percent, 0.1),
            ("memory", "memory", "accent", amount, 1.0),
            ("loop_lag", "loop lag", "secondary", figures.took, 0.005),
        ):
            values = [row[key] for row in performance["history"]]
            (line,) = figures.area(values, self._room(), 1, least)
            table.add_row(name, Text(line, tone(self, meaning)), text(process[key]))
        table.add_row("open files", "", figures.count(process["descriptors"]))
        return table

    def _room(self) -> int:
        return max(4, self.content_size.width - NAME - VALUE - 2)

    def _bar(self, value: float, most: float, *, warns: bool) -> Text:
        share = value / most if most else 0.0
        meaning = "primary" if not warns or share < 0.8 else "warning" if share < 0.95 else "error"
        return Text(figures.bar(share, self._room()), f"{tone(self, meaning)} on {tone(self, 'panel')}")


class UpstreamsPanel(ReadingPanel):
    """The instances of services; those that need somebody come first."""

    def draw(self, reading: GatewayReading) -> RenderableType:
        """Return a line for each, and a second one for why it is out."""
        upstreams, at = reading["upstreams"]["upstreams"], reading["upstreams"]["at"]
        if not upstreams:
            return Text("No upstream is known: name one in [upstream], or have a service register.", "dim")
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True)
        columns = ("now", "calls", "failures", "p99") if self.content_size.width >= 64 else ("calls", "failures")
        for _ in columns:
            table.add_column(justify="right", no_wrap=True)
        table.add_row("", "", "", *(Text(name, "dim") for name in columns))
        for one in sorted(upstreams, key=lambda one: _sign(one)[0] not in {"error", "warning"}):
            meaning, sign = _sign(one)
            state = Text(f"{sign} {'drained' if one['drained'] else one['state']}", tone(self, meaning))
            numbers = {
                "now": Text(figures.count(one["under_way"])),
                "calls": Text(figures.count(one["calls"])),
                "failures": Text(figures.count(one["failures"]), tone(self, "error") if one["failures"] else ""),
                "p99": Text(figures.took(one["latency"]["p99"]) if one["calls"] else figures.NOTHING),
            }
            table.add_row(one["service"], one["address"], state, *(numbers[column] for column in columns))
        return Group(table, *(Text(f"{one['address']}: {_why(one, at)}", "dim") for one in upstreams if one["reason"]))


def _sign(one: dict[str, Any]) -> tuple[str, str]:
    return STATES.get("drained" if one["drained"] else one["state"], BETWEEN)


def _why(one: dict[str, Any], at: float) -> str:
    until = one["ejected_until"]
    return str(one["reason"]) + (f", for {lasting(until - at)} more" if until else "")


class RefusalsPanel(ReadingPanel):
    """What was refused, by the rule that did."""

    def draw(self, reading: GatewayReading) -> RenderableType:
        """Return a line for each rule that refused anything."""
        rules = [rule for rule in reading["overload"]["rules"] if rule["refused"] or rule["would_reject"]]
        if not rules:
            return Text("Nothing was refused.", "dim")
        rules.sort(key=lambda rule: -rule["refused"])
        most = max(1, *(rule["refused"] for rule in rules)) if len(rules) > 1 else max(1, rules[0]["refused"])
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        for rule in rules:
            name = Text(rule["rule"]).append(f" {rule['moment']}", "dim")
            counted = f" ({figures.count(rule['would_reject'])} only counted)" if rule["would_reject"] else ""
            shown = Text(figures.count(rule["refused"])).append(counted, "dim")
            table.add_row(name, Text(figures.bar(rule["refused"] / most, 8), tone(self, "secondary")), shown)
        return table
