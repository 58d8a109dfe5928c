"""Time in which the gateway itself was not there, and a system clock that was moved: both are noticed and said.

A process is stopped and continued, its machine is suspended, or something holds up its loop for seconds. What its
clients sent meanwhile waits in the socket, and all timers are due at once: whoever judges them by the time that has
passed closes healthy clients for a silence that was its own. So nobody is judged before what waits was read, and
then by the time since the gateway is back. Deadlines of requests are kept all the same: the client's clock went on.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quicgw_fast.observe import Metrics
    from quicgw_fast.observe.repeats import RepeatLog

NOTICED = 1.5
"""Seconds by which a pause of the housekeeping is longer than planned before it is called an absence; a busy loop is
late by less."""
MOVED = 2.0
"""Seconds by which the system's clock was moved between two rounds before that is said."""


class Absence:
    """Looks at the clocks behind each pause of the housekeeping."""

    def __init__(self, metrics: Metrics, repeats: RepeatLog) -> None:
        self._count_absences = metrics.counter("absences", "Times at which the gateway stood still for seconds")
        self._repeats = repeats
        self._offset = math.nan
        """Of the system's clock to the monotonic one, in the last round."""
        self.back_since = -math.inf
        """When the gateway came back from its last absence, in monotonic seconds."""

    def ended(self, due: float, now: float, wall: float) -> bool:
        """Tell whether a pause that was to end at ``due`` was an absence, and say so; both are monotonic."""
        self._compare(now, wall)
        late = now - due
        if late < NOTICED:
            return False
        self.back_since = now
        self._count_absences.value += 1
        effect = "clients are judged by the time since then; requests whose time ran out are answered 504"
        fields = {"seconds": round(late, 1), "effect": effect}
        self._repeats.add(logging.WARNING, "gateway stood still", "", now, fields)
        return True

    def _compare(self, now: float, wall: float) -> None:
        """Say when the system's clock was moved since the last round: small corrections do not add up."""
        moved = wall - now - self._offset
        self._offset = wall - now
        if abs(moved) >= MOVED:
            effect = "tokens are judged by the new time; ages of stored messages will be from the next start on"
            fields = {"seconds": round(moved, 1), "effect": effect}
            self._repeats.add(logging.WARNING, "system clock moved", "", now, fields)
