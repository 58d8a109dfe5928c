"""What sessions keep, and what the one with most keeps: read when somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend.constants import MESSAGE_COST
from quicgw_fast.carrier import MAX_BODY
from quicgw_fast.observe import BufferKind, Filling, register_buffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend import ByteBudget
    from quicgw_fast.config import LimitsConfig, SessionConfig
    from quicgw_fast.flow.request_memory import RequestMemory
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry

MOST_BOUND: Final = 1024
"""Messages that may wait for their requests, in one session (protocol §4)."""
MOST_HELD: Final = 64
"""Messages that may wait for login, and 64 KiB (protocol §4)."""


def register_session_buffers(
    metrics: Metrics,
    registry: Registry,
    budget: ByteBudget,
    requests: RequestMemory,
    times: SessionConfig,
    limits: Callable[[], LimitsConfig],
) -> None:
    """Register both ways: what waits for clients, and what waits for services; ``limits`` may change meanwhile."""
    kept = Filling(lambda: budget.used, lambda: budget.limit + budget.limit // 4)
    most_kept = Filling(lambda: max((one.outbox.memory for one in registry), default=0), lambda: most_of_one(times))
    asked = Filling(lambda: requests.used, lambda: limits().request_memory)
    most_asked = Filling(
        lambda: max((one.request_bytes for one in registry), default=0), lambda: limits().request_bytes
    )
    register_buffer(metrics, BufferKind.SESSIONS, kept, most_kept)
    register_buffer(metrics, BufferKind.REQUESTS, asked, most_asked)


def most_of_one(times: SessionConfig) -> int:
    """Bytes that one session can have of the memory of all.

    It is a window with the reserve for replies, or the one step that always fits into an empty window; beside it what
    is bound, a window at most, and what waits for login; and for each message what it costs on top of its own.
    """
    window, messages = times.window_bytes, times.window_messages
    retained = max(window + window // 4, window + MAX_BODY)
    held = min(64 << 10, window)
    return retained + window + held + MESSAGE_COST * (messages + messages // 4 + MOST_BOUND + MOST_HELD)
