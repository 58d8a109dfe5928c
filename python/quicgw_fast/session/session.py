"""One client's session: who it is, how far it came, what connection it has, what it is owed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quicgw_fast.session.states import Event, State, next_state

if TYPE_CHECKING:
    from quicgw_fast.backend import Outbox
    from quicgw_fast.ports import Link
    from quicgw_fast.session.resume import Claim

REMEMBERED_EPOCHS = 4
"""Epochs of one openid whose attempts are compared: the session's own and those it came from."""


def note_attempt(attempts: dict[str, int], claim: Claim) -> None:
    """Remember in ``attempts``, epoch to number, the attempt of a START that is acted on."""
    if claim.epoch and claim.attempt:
        attempts[claim.epoch] = max(claim.attempt, attempts.pop(claim.epoch, 0))
        if len(attempts) > REMEMBERED_EPOCHS:
            del attempts[next(iter(attempts))]


@dataclass(slots=True, eq=False)
class Session:
    """All that the gateway knows of one session. Times are seconds of the gateway's monotonic clock."""

    id: str
    openid: str
    epoch: str
    """Names one history of numbers; a resume under another epoch cannot continue it (protocol §5)."""
    outbox: Outbox
    last_activity: float
    state: State = State.INITED
    link: Link | None = None
    generation: int = 0
    """Counts the connections that the session had: only the newest may change anything."""
    cursor: int = 0
    """The highest number handed to the connection."""
    handed: int = 0
    """The highest number ever handed to any connection, or known to be with the client."""
    detached_at: float | None = None
    """When the connection went; None while one is attached."""
    crowded_since: float | None = None
    """Since when the window is over 80 % without any progress; None when it is not."""
    crowded_read: int = 0
    """Up to where the client's QUIC had acknowledged the stream at ``crowded_since``."""
    crowded_cursor: int = -1
    crowded_end: int = 0
    """Where the stream ended when ``cursor`` was found to be ``crowded_cursor``."""
    expires_at: float | None = None
    """Wall clock seconds at which the client's token ends; None for never."""
    zone: int = 0
    gid: str = ""
    overflow_told: bool = False
    """The overflow was counted and the client told; later ones change nothing."""
    logging_in: bool = False
    """A hello is under way: BUSINESS messages wait in ``waiting`` for its result."""
    waiting: deque[Any] = field(default_factory=deque)
    request_bytes: int = 0
    """What the requests without a reply take in memory (``overload``)."""
    stored_ids: dict[int, int] = field(default_factory=dict)
    """Offline messages that were sent and not acknowledged: server number to the store's id."""
    stored_up_to: int = 0
    """The highest id of an offline message that was sent in this session; they are sent in order of their ids."""
    behind: bool = False
    """Not all that the offline store has for this openid was sent yet; new pushes are held behind it."""
    reading: bool = False
    """The offline store is being read for this session."""
    store_changed: bool = False
    """The offline store got something for this openid since it was last read."""
    attempts: dict[str, int] = field(default_factory=dict)
    """Epoch to the highest ``attempt`` of a START that was acted on."""
    renewals: Any = None
    """The session's rate of token renewals, made by whoever counts them."""
    allowance: Any = None
    """The session's rate limit, made by whoever counts (``overload``)."""

    @property
    def attached(self) -> bool:
        """Whether a connection is there."""
        return self.link is not None

    def apply(self, event: Event) -> None:
        """Move to the state that ``event`` leads to (``states.TRANSITIONS``)."""
        self.state = next_state(self.state, event)

    @property
    def reachable(self) -> bool:
        """Whether a connection is there and not about to go: what is sent now leaves now."""
        return self.link is not None and not self.link.closed

    def touch(self, now: float) -> None:
        """Note that a message came."""
        self.last_activity = now

    def attach(self, link: Link, cursor: int, now: float) -> int:
        """Take ``link`` as the session's connection and return the generation that fences older ones."""
        self.link = link
        self.cursor = cursor
        self.handed = max(self.handed, cursor)
        self.generation += 1
        self.detached_at = None
        self.crowded_since = None
        self.last_activity = now
        return self.generation

    def detach(self, now: float) -> None:
        """Forget the connection; the session lives on for the resume window."""
        self.link = None
        self.detached_at = now
        self.crowded_since = None

    def note_attempt(self, claim: Claim) -> None:
        """Remember that a START of this session's client is acted on, also for the session that follows this one."""
        note_attempt(self.attempts, claim)

    def crowded_for(self, now: float) -> float:
        """Seconds since the client last took something of what it must acknowledge; asked while its window is crowded.

        Progress is what QUIC acknowledged of the stream up to the last numbered message (protocol §5): answers to
        heartbeats behind it must not make somebody look alive who acknowledges nothing.
        """
        link = self.link
        if link is None:
            return 0.0
        if self.crowded_since is None or self.cursor != self.crowded_cursor:
            self.crowded_cursor = self.cursor
            self.crowded_end = link.progress + link.pending
        read = min(link.progress, self.crowded_end)
        if self.crowded_since is None or read > self.crowded_read:
            self.crowded_read = read
            self.crowded_since = now
        return now - self.crowded_since

    def serviceable(self, now: float, resume_window: float) -> bool:
        """Whether work for this session still has a point (protocol §3): not CLOSED, attached or resumable."""
        if self.state is State.CLOSED:
            return False
        return self.detached_at is None or now - self.detached_at <= resume_window
