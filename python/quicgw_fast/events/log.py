"""The newest events of all sessions, in the order in which they happened.

It is a ring: event n lies at place n modulo its size, so that a reader needs to remember a number and nothing else.
However many read, and however slowly, nothing grows; who was outrun finds out by comparing its number with the oldest
one that is there.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.codes import LifecycleKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe import Metrics


class SessionFacts(NamedTuple):
    """Whose event it is, as the session was then."""

    session_id: str
    openid: str
    gid: str
    zone: str
    epoch: str
    address: str


class LoggedEvent(NamedTuple):
    """What happened to one session."""

    id: int
    at: float
    """Seconds since 1970."""
    kind: LifecycleKind
    of: SessionFacts
    reason: str


class EventLog:
    """Keeps the last ``keep`` events, and wakes whoever waits for more; with 0 nothing is kept and nobody waits."""

    def __init__(self, keep: int, metrics: Metrics, wall: Callable[[], float]) -> None:
        """``wall`` gives seconds since 1970."""
        self.gateway = secrets.token_hex(8)
        """Names this process: ids are its own, and nothing of them outlives it."""
        self.keep = keep
        self.last = 0
        """The id of the newest event."""
        self.closed = False
        """Whether no more will come."""
        self._wall = wall
        self._ring: list[LoggedEvent] = []
        self._wakes: set[Callable[[], None]] = set()
        self._count = metrics.counters(
            "lifecycle_events",
            "What happened to sessions, as watchers are told",
            ("kind",),
            [(kind.name,) for kind in LifecycleKind if kind is not LifecycleKind.GAP],
        )

    def tell(self, kind: LifecycleKind, of: SessionFacts, reason: str = "") -> None:
        """Add an event, which happens now."""
        self.last += 1
        event = LoggedEvent(self.last, self._wall(), kind, of, reason)
        if len(self._ring) < self.keep:
            self._ring.append(event)
        else:
            self._ring[(self.last - 1) % self.keep] = event
        self._count[(kind.name,)].value += 1
        self._wake()

    @property
    def first(self) -> int:
        """The id of the oldest event that is kept; one more than the newest where none is."""
        return self.last - len(self._ring) + 1

    def event(self, number: int) -> LoggedEvent:
        """One that is kept, by its id."""
        return self._ring[(number - 1) % self.keep]

    def on_change(self, wake: Callable[[], None]) -> None:
        """Have it called whenever there is something new."""
        self._wakes.add(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._wakes.discard(wake)

    def close(self) -> None:
        """No more will come: whoever reads ends behind the last one."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()
