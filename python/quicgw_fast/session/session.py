"""One client's session: who it is, how far it came, what connection it has, what it is owed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.log_ids import session_ids
from quicgw_fast.session.catch_up import CatchUp
from quicgw_fast.session.claim import Attempts
from quicgw_fast.session.spoken import SpokenTrail
from quicgw_fast.session.states import Action, Attachment, Event, Life, Login, SessionState, WindowState, step

if TYPE_CHECKING:
    from quicgw_fast.backend import Outbox, TokenBucket
    from quicgw_fast.ports import Link
    from quicgw_fast.session.elsewhere import RequestElsewhere
    from quicgw_fast.session.parcels import ParcelBook
    from quicgw_fast.session.replica import Replica
    from quicgw_fast.session.trail import Trail


@dataclass(slots=True, eq=False)
class Session:
    """All that the gateway knows of one session. Times are seconds of the gateway's monotonic clock."""

    # Who it is.
    id: str
    """Secret, as whoever knows it may ask for a resume; told as ``connection_id``."""
    openid: str
    """Whom the client is authenticated as; its other live sessions are in ``Registry.devices``."""
    epoch: str
    """Names one history of numbers; a resume under another epoch cannot continue it (protocol §5)."""
    outbox: Outbox
    """Numbers and keeps what the client is owed."""
    last_activity: float
    """When its client last sent anything: a silent one is closed with IDLE."""

    # How far it came: the four parts of its ``Life``, which ``apply`` alone changes.
    state: SessionState = SessionState.INITED
    login: Login = Login.IDLE
    connection: Attachment = Attachment.DETACHED
    window: WindowState = WindowState.COMPLETE

    # Its connection.
    link: Link | None = None
    """There while ``connection`` is ATTACHED."""
    generation: int = 0
    """Counts the connections that the session had: only the newest may change anything."""
    cursor: int = 0
    """The highest number handed to the connection; behind the outbox while that is congested."""
    handed: int = 0
    """The highest number ever handed to any connection, or known to be with the client: the rest nobody can have."""
    detached_at: float | None = None
    """When the connection went, from where the resume window counts; None before the first and while one is there."""

    # When it has to be looked at.
    look_at: float = 0.0
    """Until then time alone changes nothing about it, and the housekeeping goes past it. Set back by whatever may bring
    that forward: a change of its connection or its token, and all that it is given to keep."""

    # Whether its client takes what it gets (``crowded_for``).
    crowded_since: float | None = None
    """Since when the window is over 80 % without any progress; None when it is not."""
    crowded_read: int = 0
    """Up to where the client's QUIC had acknowledged the stream at ``crowded_since``."""
    crowded_cursor: int = -1
    """The cursor for which ``crowded_end`` was taken; when it moved, there is a new end to reach."""
    crowded_end: int = 0
    """Where the stream ended when ``cursor`` was found to be ``crowded_cursor``."""

    # What others have to know of it.
    expires_at: float | None = None
    """Wall clock seconds at which the client's token ends; None for never."""
    told_interval: int = 0
    """Seconds between the heartbeats that its client was told to keep, by the settings of that time."""
    gid: str = ""
    """The group name that its login gave it; pushes to it are found by that (``Registry.set_gid``)."""
    request_bytes: int = 0
    """What the requests without a reply take in memory (``overload``)."""
    catch_up: CatchUp = field(default_factory=CatchUp)
    """How far it is with what the offline store has for it."""
    parcels: ParcelBook | None = None
    """The pushes to it of which somebody wants to know more; made with the first."""
    attempts: Attempts = field(default_factory=Attempts)
    """Which STARTs of its client come too late; also those of the sessions that this one follows."""
    groups: dict[str, float | None] | None = None
    """The groups that it is in (``groups``), and until when; None for as long as it lives. Made with the first."""
    zone: str = ""
    """The zone that its login gave it."""
    since: float = 0.0
    """When it began."""
    peer: str = ""
    """The address of its client when that last attached."""
    serial: int = 0
    """How many sessions there were when it began: lists are in this order."""
    trail: Trail | None = None
    """What went over its connections last; None where that is not kept."""
    spoken: SpokenTrail | None = None
    """The same trail where each entry has a line in the log; None while ``log.level`` is above debug."""
    elsewhere: dict[int, RequestElsewhere] = field(default_factory=dict)
    """Its requests that other gateways work on, which had it before: by their numbers, until their replies come."""
    replica: Replica | None = None
    """What is written of it elsewhere, in case that this gateway dies; None where nothing is."""
    moved: bool = False
    """Whether another gateway took it over: it is CLOSED here, but what is under way for it goes on, and goes there."""
    renewals: TokenBucket | None = None
    """Its rate of token renewals, made with the first; here, so that a reconnect brings no new allowance."""
    allowance: TokenBucket | None = None
    """Its rate of requests, made with the first; here for the same reason."""
    allowance_full_at: float = 0.0
    """When that is to be full, as far as another gateway granted some of it before."""

    @property
    def attached(self) -> bool:
        """Whether a connection is there."""
        return self.link is not None

    @property
    def ids(self) -> dict[str, str]:
        """By which a log line says that it is about this session."""
        return session_ids(self.id, self.openid)

    def record(self, length: int, *, aloud: bool) -> None:
        """Keep so many entries of what goes over its connections; with ``aloud`` each has a line in the log, too."""
        self.spoken = SpokenTrail(self.trail, length, self.id, self.openid) if aloud else None
        if self.spoken is not None:
            self.trail = self.spoken
        else:
            self.trail = deque(self.trail or (), length) if length else None

    @property
    def life(self) -> Life:
        """All that it is in at one time (``states``)."""
        return Life(self.state, self.login, self.connection, self.window)

    def due(self, event: Event) -> tuple[Action, ...]:
        """What ``event`` would have its owner do; nothing changes. ImpossibleEventError as ``apply`` raises it."""
        return step(self.life, event).actions

    def apply(self, event: Event, now: float) -> tuple[Action, ...]:
        """Have ``event`` happen and return what its owner has to do about it.

        ImpossibleEventError for what cannot happen to such a session, which then stays as it is.
        """
        life, actions = step(self.life, event)
        self.state, self.login, self.connection, self.window = life
        if self.link is not None and life.connection is Attachment.DETACHED:
            self.link = None
            self.detached_at = now
            self.crowded_since = None
            self.look_at = now
        return actions

    @property
    def may_release(self) -> bool:
        """Whether what is held for it waits for room alone: neither for its login, nor for what is older."""
        return self.state is SessionState.NORMAL and not self.catch_up.behind

    @property
    def reachable(self) -> bool:
        """Whether a connection is there and not about to go: what is sent now leaves now."""
        return self.link is not None and not self.link.closed

    def attach(self, link: Link, cursor: int, now: float) -> int:
        """Take ``link`` as the session's connection and return the generation that fences older ones."""
        self.apply(Event.ATTACHED, now)
        self.link = link
        self.peer = link.peer
        self.cursor = cursor
        self.handed = max(self.handed, cursor)
        self.generation += 1
        self.detached_at = None
        self.crowded_since = None
        self.last_activity = self.look_at = now
        return self.generation

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
        """Whether work for this session still has a point (protocol §3): not CLOSED, attached or resumable.

        Also when it goes on elsewhere: whatever was accepted here is answered from here.
        """
        if self.state is SessionState.CLOSED:
            return self.moved
        return self.detached_at is None or now - self.detached_at <= resume_window
