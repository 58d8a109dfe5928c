"""What /stats and /upstreams tell of instances."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quicgw_fast.observe.distributions import percentiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.upstream.directory import Directory
    from quicgw_fast.upstream.instance import Instance


def report(directory: Directory, clock: Clock, lease: Callable[[str], float | None]) -> list[dict[str, object]]:
    """What there is to tell of each instance; a call that was cancelled is in ``calls`` alone.

    ``lease`` tells of an address the seconds after which it leaves, None for one that stays.
    """
    return [
        {**_of(instance, directory, clock), "lease": _rounded(lease(instance.address))}
        for instance in directory.instances()
    ]


def rows(directory: Directory, clock: Clock, lease: Callable[[str], float | None]) -> list[dict[str, object]]:
    """The same for /upstreams: a row for each service of each instance, times in seconds."""
    return [
        {"service": service, **_row(instance, clock), "lease": _rounded(lease(instance.address))}
        for instance in directory.instances()
        for service in directory.services_of(instance)
    ]


def _row(instance: Instance, clock: Clock) -> dict[str, object]:
    ejection, behind = instance.ejection, clock.wall() - clock.now()
    p50, p99 = percentiles(instance.took.classes, (0.5, 0.99))
    return {
        "address": instance.address,
        "state": _state(instance),
        "reason": instance.trouble,
        "under_way": instance.in_flight,
        "calls": instance.calls,
        "failures": instance.failures + instance.timeouts,
        "latency": {"p50": round(p50, 6), "p99": round(p99, 6)},
        "ejected_until": None if ejection is None else round(ejection.until + behind, 3),
        "drained": instance.drained,
    }


def _state(instance: Instance) -> str:
    """One word; where several things speak against it, the one that counts most."""
    if instance.drained:
        return "drained"
    if instance.silent:
        return "silent"
    if instance.ejection is not None:
        return "ejected"
    if not instance.healthy:
        return "down" if instance.tried else "connecting"
    if instance.suspect:
        return "suspect"
    return "on-trial" if instance.on_trial else "well"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _of(instance: Instance, directory: Directory, clock: Clock) -> dict[str, object]:
    return {
        "address": instance.address,
        "name": instance.name,
        "services": list(directory.services_of(instance)),
        "registered": instance.registered,
        "healthy": instance.serving,
        "reason": instance.trouble,
        "ejected": instance.ejection is not None,
        "until": _until(instance, clock),
        "silent": instance.silent,
        "on_trial": instance.on_trial,
        "calls": instance.calls,
        "failures": instance.failures,
        "failures_by_status": dict(instance.statuses),
        "timeouts": instance.timeouts,
        "in_flight": instance.in_flight,
        "limit": None if math.isinf(instance.room) else instance.room,
        "latency": round(instance.latency, 6),
    }


def _until(instance: Instance, clock: Clock) -> str | None:
    """The time of day at which an instance that is out is asked whether it lives; None when it is asked already."""
    left = 0.0 if instance.ejection is None else instance.ejection.until - clock.now()
    return datetime.fromtimestamp(clock.wall() + left, UTC).isoformat(timespec="milliseconds") if left > 0 else None
