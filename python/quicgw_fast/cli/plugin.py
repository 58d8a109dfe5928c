"""What a plug-in of Nagios says: one line, performance data behind a bar, and a status of its own.

The format is that of the Monitoring Plugins Development Guidelines, ``LABEL=VALUE[UNIT];WARNING;CRITICAL;MIN;MAX``. A
bound ``21:`` is one that a value must not fall below.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from quicgw_fast.cli.tables import counted
from quicgw_fast.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quicgw_fast.cli.asking import AdminPages


class PluginState(IntEnum):
    """The exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Bound:
    """Beyond what a value is bad."""

    warning: float | None = None
    critical: float | None = None
    falling: bool = False
    """Whether it is bad to be below."""
    unit: str = ""
    what: str = ""
    """How a value over the bound is told; ``{}`` is the value."""

    @property
    def is_swapped(self) -> bool:
        """Whether it is critical before there is a warning."""
        if self.warning is None or self.critical is None:
            return False
        return self.warning < self.critical if self.falling else self.warning > self.critical

    def state(self, value: float) -> PluginState:
        """Judge a value."""
        for state, bound in ((PluginState.CRITICAL, self.critical), (PluginState.WARNING, self.warning)):
            if bound is not None and (value < bound if self.falling else value > bound):
                return state
        return PluginState.OK

    def performance(self, name: str, value: float) -> str:
        """Write the value and its bounds."""
        colon = ":" if self.falling else ""
        bounds = ("" if bound is None else f"{bound:g}{colon}" for bound in (self.warning, self.critical))
        most = ";100" if self.unit == "%" else ""
        return f"{name}={round(value, 2):g}{self.unit};{';'.join(bounds)};0{most}"


DEFAULTS: Final[Mapping[str, Bound]] = {
    "sessions": Bound(what="{} sessions"),
    "queue": Bound(50, 90, unit="%", what="the queue is {} % full"),
    "refused": Bound(10, 100, what="{} refusals a second"),
    "certificate": Bound(21, 7, falling=True, what="the certificate expires in {} days"),
    "memory": Bound(80, 95, unit="%", what="{} % of the memory is used"),
}


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a gateway says of itself; ``reason`` why it takes no work, if it does not."""

    reason: str | None
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said in the end."""

    state: PluginState
    said: str
    values: Mapping[str, float]
    bounds: Mapping[str, Bound]


def read_bounds(warnings: Iterable[str], criticals: Iterable[str]) -> dict[str, Bound]:
    """Put ``NAME=N`` of the command line over the defaults; StartupError says what cannot be read."""
    bounds = dict(DEFAULTS)
    for text, key in [*((text, "warning") for text in warnings), *((text, "critical") for text in criticals)]:
        name, _, written = text.partition("=")
        try:
            value = float(written)
        except ValueError:
            value = -1.0
        if name not in bounds or not 0 <= value < 1e15:
            names = ", ".join(DEFAULTS)
            told = f"--{key} {text[:40]!r} is not of the form NAME=N with a name of {names}"
            # -c is a configuration elsewhere, and here what plug-ins of monitoring systems have it for.
            raise StartupError(told if "=" in text else f"{told}; a configuration is named with --config")
        bound = bounds[name]
        bounds[name] = replace(bound, warning=value) if key == "warning" else replace(bound, critical=value)
    for name in _named(warnings) & _named(criticals):
        bound = bounds[name]
        if bound.is_swapped:
            told = f"{name}: a WARNING from {bound.warning:g} on would never be said"
            raise StartupError(f"{told}, as it is CRITICAL from {bound.critical:g} on; swap --warning and --critical")
    return bounds


def _named(bounds: Iterable[str]) -> set[str]:
    return {text.partition("=")[0] for text in bounds}


def measure(pages: AdminPages, over: float) -> Vitals:
    """Ask twice, ``over`` seconds apart: refusals are judged by how many there are a second."""
    before = _refused(pages.get("/stats"))
    began = time.monotonic()
    time.sleep(over)  # what is measured is what happens meanwhile
    status, reason = pages.text("/readyz")
    stats = pages.get("/stats")
    passed = time.monotonic() - began
    queue, gauges = stats["processor"], stats["gauges"]
    values = {
        "sessions": stats["sessions"]["INITED"] + stats["sessions"]["NORMAL"],
        "queue": 100 * queue["queue_length"] / max(1, queue["max_queue_size"]),
        "refused": max(0.0, _refused(stats) - before) / passed,
        "certificate": (gauges["certificate_expires"] - time.time()) / 86_400,
    }
    if gauges["memory_limit"]:
        values["memory"] = 100 * gauges["memory_used"] / gauges["memory_limit"]
    return Vitals(None if status == 200 else reason.strip(), values)


def _refused(stats: Any) -> float:
    return float(sum(count for rules in stats["refused"].values() for count in rules.values()))


def judge(measured: Vitals, bounds: Mapping[str, Bound]) -> Verdict:
    """The worst of all, and everything that is bad."""
    states = {name: bounds[name].state(value) for name, value in measured.values.items()}
    bad = [bounds[name].what.format(f"{measured.values[name]:.0f}") for name, state in states.items() if state]
    if measured.reason is not None:
        bad.insert(0, f"not ready: {measured.reason}")
    worst = max(states.values()) if measured.reason is None else PluginState.CRITICAL
    said = "; ".join(bad) or f"ready, {counted(measured.values['sessions'], 'session')}"
    return Verdict(worst, said, measured.values, bounds)


def unknown(state: PluginState, why: str) -> Verdict:
    """What is said where nothing could be measured."""
    return Verdict(state, why, {}, {})


def say(verdict: Verdict, *, as_json: bool) -> None:
    """Print the line; a bar would begin the performance data."""
    from quicgw_fast.cli.tables import say_document, shown

    if as_json:
        bounds = {
            name: {"warning": verdict.bounds[name].warning, "critical": verdict.bounds[name].critical}
            for name in verdict.values
        }
        fields = {"state": verdict.state.name, "status": verdict.state.value, "said": verdict.said}
        say_document({**fields, "values": dict(verdict.values), "bounds": bounds})
        return
    performance = " ".join(verdict.bounds[name].performance(name, value) for name, value in verdict.values.items())
    line = f"{verdict.state.name} - {shown(verdict.said).replace('|', '/')}"
    print(f"{line} | {performance}" if performance else line)
