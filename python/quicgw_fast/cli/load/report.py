"""What a run found: as an object for programs, and as a table for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quicgw_fast.cli.tables import counted
from quicgw_fast.codes import CloseCode
from quicgw_fast.errors import StartupError
from quicgw_fast.files import read_small

if TYPE_CHECKING:
    from pathlib import Path

    from quicgw_fast._core import Latency, LoadSnapshot
    from quicgw_fast.cli.load.plan import LoadPlan

KIND = "bench"
LOST = -1
"""Stands for the close code where QUIC lost a connection."""
_PERCENTILES = ("p50", "p90", "p99", "p999", "max")
_LIMITED = "429"
_ROWS = (
    ("requests/s, replied", "rate"),
    ("requests/s, good", "goodput"),
    *((f"latency {name.replace('p999', 'p99.9')} ms", f"latency_ms.{name}") for name in _PERCENTILES),
    ("latency mean ms", "latency_ms.mean"),
    ("refusals p50 ms", "refusals_ms.p50"),
    ("refusals p99 ms", "refusals_ms.p99"),
    ("sent late p99 ms", "lateness_ms.p99"),
    ("login p50 ms", "logins_ms.p50"),
    ("login p99 ms", "logins_ms.p99"),
    ("notifies/s", "notify_rate"),
    ("gateway CPU us/request", "cpu.gateway_us"),
    ("generator CPU us/request", "cpu.generator_us"),
)
"""Lines of the table and where their figures are."""


@dataclass(frozen=True, slots=True)
class CpuPerRequest:
    """Microseconds of processor time for each request; None where it could not be told."""

    gateway: float | None = None
    generator: float | None = None


def figures(plan: LoadPlan, found: LoadSnapshot, cpu: CpuPerRequest, *, interrupted: bool) -> dict[str, Any]:
    """Return all that is known, as ``--json`` prints it; the table shows a part of it."""
    seconds = found.seconds
    return {
        "plan": _plan(plan),
        "interrupted": interrupted,
        "seconds": seconds,
        "requests": found.measured_requests,
        "withheld": found.withheld,
        "replies": found.measured_replies,
        "good": found.measured_good,
        "rate": _per_second(found.measured_replies, seconds),
        "goodput": _per_second(found.measured_good, seconds),
        "notifies": found.notifies,
        "notify_rate": _per_second(found.notifies, seconds),
        "bytes": found.bytes,
        "latency_ms": _latency(found.latency),
        "refusals_ms": _latency(found.refusals),
        "lateness_ms": _latency(found.lateness),
        "logins_ms": _latency(found.logins),
        "errors": {str(code): count for code, count in found.errors.items()},
        "answers": {str(code): count for code, count in found.answers.items()},
        "closed": {_close_name(code): count for code, count in found.closed.items()},
        "retries": found.retries,
        "unanswered": found.unanswered,
        "total": {"sent": found.sent, "replies": found.replies, "heartbeats": found.heartbeats},
        "cpu": {"gateway_us": cpu.gateway, "generator_us": cpu.generator},
        "violations": found.violations,
        "violation_texts": found.violation_texts,
    }


def load_figures(path: Path) -> dict[str, Any]:
    """Read what ``--json`` printed once; StartupError when it is something else."""
    advice = "give a file that quicgw bench --json wrote"
    try:
        read = json.loads(read_small(path))
    except OSError as error:
        raise StartupError(f"--compare: cannot read {path}: {error.strerror}; {advice}") from error
    except ValueError as error:
        raise StartupError(f"--compare: {path} is not valid JSON; {advice}") from error
    if not isinstance(read, dict) or read.get("kind") != KIND:
        raise StartupError(f"--compare: {path} does not hold a run; {advice}")
    return read


def ratios(now: dict[str, Any], saved: dict[str, Any]) -> dict[str, float]:
    """Return for each figure of the table how many times the saved one it is, where both are there."""
    both = ((place, _figure(now, place), _figure(saved, place)) for _, place in _ROWS)
    return {place: mine / theirs for place, mine, theirs in both if mine is not None and theirs}


def table(now: dict[str, Any], saved: dict[str, Any] | None) -> list[str]:
    """Return the lines for people, beside a saved run if there is one."""
    lines = [_headline(now)]
    if saved is not None:
        lines += [f"saved: {_headline(saved)}", f"{'':<26}{'this run':>14}{'saved':>14}{'ratio':>9}"]
    compared = {} if saved is None else ratios(now, saved)
    for label, place in _ROWS:
        mine, theirs = _figure(now, place), _figure(saved or {}, place)
        if mine is None and theirs is None:
            continue
        line = f"{label:<26}{_written(mine):>14}"
        if saved is not None:
            ratio = f"{compared[place]:.3f}" if place in compared else ""
            line += f"{_written(theirs):>14}{ratio:>9}"
        lines.append(line.rstrip())
    return lines + _counts(now)


def _counts(now: dict[str, Any]) -> list[str]:
    """Return what there should be none of, where there is some."""
    lines = [f"errors {code} of the gateway{now['errors'][code]:>16}" for code in now["errors"]]
    lines += [f"answers {code} of services{now['answers'][code]:>17}" for code in now["answers"]]
    lines += [f"sessions closed, {name}: {count}" for name, count in now["closed"].items()]
    if now["withheld"]:
        lines.append(f"requests not sent, as the gateway took no more of their session: {now['withheld']}")
    if now["retries"]:
        lines.append(f"connections refused and tried again: {now['retries']}")
    if now["unanswered"]:
        why = "when it was ended" if now["interrupted"] else "in time"
        lines.append(f"requests without a reply {why}: {now['unanswered']}")
    if _LIMITED in now["errors"]:
        lines.append("429: a session sends more than [limits] of the gateway allow; raise them, or use more --sessions")
    if now["violations"]:
        lines.append(f"VIOLATIONS: {now['violations']}")
        lines += [f"  {text}" for text in now["violation_texts"]]
    return lines


def _headline(run: dict[str, Any]) -> str:
    plan = run["plan"]
    closed_loop = plan["rate"] is None
    load = f"{plan['in_flight']} in flight each" if closed_loop else f"{plan['rate']:g} requests/s in all"
    actions = ", ".join(_weighted(plan["actions"]))
    sizes = ", ".join(_weighted(plan["payloads"]))
    sessions = counted(plan["sessions"], "session")
    return f"{sessions}, {load}, {actions} of {sizes} bytes, {run['seconds']:.1f} s measured"


def _weighted(pairs: list[list[Any]]) -> list[str]:
    return [str(name) if len(pairs) == 1 else f"{name} x {weight}" for name, weight in pairs]


def _plan(plan: LoadPlan) -> dict[str, Any]:
    return {
        "address": f"{plan.host}:{plan.port}",
        "sessions": len(plan.clients),
        "sockets": plan.sockets,
        "in_flight": plan.in_flight,
        "rate": plan.rate,
        "actions": [list(pair) for pair in plan.actions],
        "payloads": [list(pair) for pair in plan.payloads],
        "params": dict(plan.params),
        "ramp": plan.ramp,
        "warm_up": plan.warm_up,
        "duration": plan.duration,
    }


def _latency(latency: Latency) -> dict[str, Any]:
    if not latency.count:
        return {"count": 0}
    shown = {name: getattr(latency, name) for name in ("mean", *_PERCENTILES)}
    return {"count": latency.count, **shown, "distribution": latency.distribution}


def _per_second(count: int, seconds: float) -> float | None:
    return count / seconds if seconds else None


def _close_name(code: int) -> str:
    names = {LOST: "LOST", **{int(known): known.name for known in CloseCode}}
    return names.get(code, hex(code))


def _figure(run: dict[str, Any], place: str) -> float | None:
    value: Any = run
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, (int, float)) else None


def _written(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3f}" if value < 10 else f"{value:.1f}"
