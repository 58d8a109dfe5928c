"""``[processor]``: the queue and the workers behind it."""

from __future__ import annotations

import os
from typing import Annotated, ClassVar

from quicgw_fast.config.tables.base import Section
from quicgw_fast.config.values import Duration, number

MAX_QUEUE = 1 << 20
"""Places of the request queue, which is made at once: a million take some 40 MiB."""


class ProcessorConfig(Section):
    """``[processor]``: the queue and the workers behind it."""

    live: ClassVar = frozenset({"task_timeout", "drain_timeout"})

    max_workers: Annotated[int, number(0, 10_000, "workers")] = 0
    """Upstream calls under way at once; 0 means processor cores × 4."""
    max_logins: Annotated[int, number(0, 10_000, "logins")] = 0
    """Hello calls under way at once; 0 means as many as workers. More wait in a queue of their own."""
    max_queue_size: Annotated[int, number(1, MAX_QUEUE, "requests")] = 10_000
    """Accepted requests that may wait, and logins as well; one more is answered 503."""
    queue_target: Duration = 2.0
    """A queue of requests that takes longer than this to work off during a whole ``queue_interval`` is standing. While
    it is, it holds what is worked off in twice this time, and who has a request in it gets 503 for one more."""
    queue_interval: Duration = 5.0
    """How long a burst may last: a queue that does not stand holds what is worked off in this time. Unless it is set,
    a longer ``queue_target`` takes it along."""
    task_timeout: Duration = 30.0
    """From acceptance to the reply; a client may ask for less with the header ``timeout-ms``."""
    drain_timeout: Duration = 30.0
    """How long a stop waits for what was accepted; the rest is answered 503."""

    @property
    def workers(self) -> int:
        """The number of workers that ``max_workers`` means on this machine."""
        return self.max_workers or (os.cpu_count() or 1) * 4

    @property
    def burst(self) -> float:
        """The seconds that ``queue_interval`` means."""
        return (
            self.queue_interval
            if "queue_interval" in self.model_fields_set
            else max(self.queue_interval, self.queue_target)
        )

    @property
    def logins(self) -> int:
        """The number of hello calls at once that ``max_logins`` means."""
        return self.max_logins or self.workers
