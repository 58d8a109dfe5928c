"""What the system tells of this process, under the names that Prometheus has for it."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quicgw_fast.observe.metrics import Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe.metrics import Metrics

_DESCRIPTORS: Final = Path("/proc/self/fd")


def register_process(metrics: Metrics, wall: Callable[[], float]) -> None:
    """Have processor time and descriptors read; ``memory_used`` is beside what the rules of memory go by.

    ``wall`` gives seconds since 1970. What the system does not tell, as it is no Linux, is 0.
    """
    started = wall()
    metrics.total("process_cpu", "Processor time of this process", time.process_time, Unit.SECONDS)
    metrics.gauge("process_open_fds", "Descriptors that are open", _open_descriptors)
    metrics.gauge("process_max_fds", "Descriptors that may be open", _most_descriptors)
    metrics.gauge("process_start_time", "When it was started, in seconds since 1970", lambda: started, Unit.SECONDS)


def _open_descriptors() -> int:
    try:
        return sum(1 for _ in _DESCRIPTORS.iterdir()) - 1  # but for the one that lists them
    except OSError:  # none is left, or there is no such folder
        return 0


def _most_descriptors() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
