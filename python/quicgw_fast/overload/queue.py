"""Requests for which there is no place to wait, or for which it would take too long (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from quicgw_fast.codes import ErrorCode
from quicgw_fast.overload.rule import Refusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import QueueFacts


class QueueFull:
    """Refuses where no place is left; the queue alone knows of one, as a task with a free worker needs none."""

    name: ClassVar[str] = "queue-full"

    def judge(self, facts: QueueFacts, /) -> Refusal | None:
        """See ``Rule``."""
        if not facts.full:
            return None
        return Refusal(ErrorCode.OVERLOADED, "overloaded", f"the queue of {facts.queue} is full", facts.retry_after)


class QueueDelay:
    """Refuses where there are places, but more wait already than are worked off in time (``StandingQueue``)."""

    name: ClassVar[str] = "queue-delay"

    def judge(self, facts: QueueFacts, /) -> Refusal | None:
        """See ``Rule``."""
        detail = f"the queue of {facts.queue} stands"
        return None if facts.full else Refusal(ErrorCode.OVERLOADED, "overloaded", detail, facts.retry_after)
