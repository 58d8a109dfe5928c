"""What waits somewhere in the process, in bytes, each kind beside its bound: one look says whether anything grows.

Whoever keeps a kind registers it. Where one client has a bound of its own, too, the kind also tells what the one with
most has.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.observe.metrics import Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe.metrics import Metrics


class BufferKind(Enum):
    """Where bytes wait."""

    ARRIVING = "arriving"
    """Messages of clients that are not complete, or are kept back behind a START."""
    REQUESTS = "requests"
    """Accepted requests, until their reply."""
    SESSIONS = "sessions"
    """Messages for clients: not acknowledged, bound to a request, or kept until login."""
    UNACKNOWLEDGED = "unacknowledged"
    """What was written to clients and their QUIC has not acknowledged."""
    HANDOVERS = "handovers"
    """What ended sessions owed, on its way into the offline store."""
    CONTROL = "control"
    """Messages of services that are being answered."""
    LOG = "log"
    """Lines of the log that nobody has taken."""


class Filling(NamedTuple):
    """So many bytes are there, of so many that there may be."""

    used: Callable[[], int]
    limit: Callable[[], int]


def register_buffer(metrics: Metrics, kind: BufferKind, of_all: Filling, of_one: Filling | None = None) -> None:
    """Register a kind; ``of_one`` is the client that has most, and what one may have."""
    part = metrics.part("kind", kind.value)
    part.gauge("buffered", "What waits in the process", of_all.used, Unit.BYTES)
    part.gauge("buffered_limit", "What may wait in the process", of_all.limit, Unit.BYTES)
    if of_one is not None:
        part.gauge("buffered_most", "What waits for or from the one client that has most", of_one.used, Unit.BYTES)
        part.gauge("buffered_most_limit", "What may wait for or from one client", of_one.limit, Unit.BYTES)
