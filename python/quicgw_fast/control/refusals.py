"""What was refused at the ports for services and operators: counted by reason, and said in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.addresses import address_group
from quicgw_fast.observe.repeats import RepeatLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe import Metrics

REASONS = ("token", "host", "origin", "request", "no-message", "busy")
"""No or a wrong token; a Host that is none of ours, and an Origin that is another one (DNS rebinding, requests of
foreign pages); a request that two servers could read differently; a call whose message did not come in time; calls
that waited already."""

_LONGEST = 256
"""Characters of an exception's text beside its traceback."""

_log = logging.getLogger("quicgw.control")


class Refusals:
    """Counts and logs; what may come often is said once a minute for each reason and address."""

    def __init__(self, metrics: Metrics, now: Callable[[], float]) -> None:
        """``now`` gives monotonic seconds."""
        what = "Requests that the ports for services and operators refused"
        self._counts = metrics.counters("control_refused", what, ("port", "reason"), _PAIRS)
        self._repeats = RepeatLog(_log)
        self._now = now

    def note(self, port: str, reason: str, peer: str) -> None:
        """One was refused at ``grpc`` or ``admin``; ``peer`` is where it came from."""
        self._counts[port, reason].value += 1
        group = address_group(peer)
        fields = {"port": port, "reason": reason, "peer": group}
        self._repeats.add(logging.WARNING, "control request refused", f"{port} {reason} {group}", self._now(), fields)

    def page_failed(self, page: str, error: Exception) -> None:
        """An admin page raised what it should not: the traceback is written with the first of a row."""
        fields = {"page": page, "reason": f"{type(error).__name__}: {error}"[:_LONGEST]}
        subject = f"{page} {type(error).__name__}"
        self._repeats.add(logging.ERROR, "admin page failed", subject, self._now(), fields, error)

    def flush(self, now: float) -> None:
        """Write what was not said yet and is due."""
        self._repeats.flush(now)


_PAIRS = [
    *(("grpc", reason) for reason in ("token", "no-message", "busy")),
    *(("admin", reason) for reason in ("token", "host", "origin", "request")),
]
