"""What /stats tells of instances."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
