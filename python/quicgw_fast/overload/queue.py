"""Requests for which there is no place to wait (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import QueueFacts


class QueueFull:
    """Refuses all that it is asked about: the queue alone knows of a place, as a task with a free worker needs none."""

    name = "queue-full"

    def __init__(self) -> None:
        self._refusals: dict[str, Refusal] = {}
        """By queue; made once, as there are many of them when there are any."""

    def judge(self, facts: QueueFacts, /) -> Refusal:
        """See ``Rule``."""
        queue = facts.queue
        if queue not in self._refusals:
            self._refusals[queue] = Refusal(ErrorCode.OVERLOADED, "overloaded", f"the queue of {queue} is full")
        return self._refusals[queue]
