"""What rules look at, one kind of facts for each moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from quicgw_fast.backend import Outbox, TokenBucket


class Charged(Protocol):
    """A session, which keeps what rules count for it: so a reconnect brings no new allowance."""

    outbox: Outbox
    allowance: TokenBucket | None
    """Its rate of requests."""
    allowance_full_at: float
    """When that is to be full at first: later than now for who was granted some of it elsewhere."""
    renewals: TokenBucket | None
    """Its rate of token renewals."""
    request_bytes: int
    """What its requests without a reply take in memory."""


class Traffic:
    """What rules count for one connection. Made when needed: most connections send one kind of message at most."""

    __slots__ = ("control", "requests")

    def __init__(self) -> None:
        self.control: TokenBucket | None = None
        self.requests: TokenBucket | None = None


class HeldFacts(NamedTuple):
    """A message behind a START that waits."""

    held: int
    """Bytes that wait, it included."""


class MessageFacts(NamedTuple):
    """A message of a client that has its session, and that is no request."""

    traffic: Traffic
    now: float
    """Monotonic seconds."""


class LargeSessionFacts(NamedTuple):
    """A session that is among the largest."""

    now: float
    """Monotonic seconds."""


class StartFacts(NamedTuple):
    """A START whose claim can be read."""

    address: str
    """Of the client, which QUIC validated."""
    openid: str
    draining: bool
    now: float
    """Monotonic seconds."""


class RenewalFacts(NamedTuple):
    """A heartbeat with a token."""

    session: Charged
    now: float
    """Monotonic seconds."""


class RequestFacts(NamedTuple):
    """A BUSINESS message, whatever its number."""

    session: Charged
    traffic: Traffic
    draining: bool
    now: float
    """Monotonic seconds."""


class TaskFacts(NamedTuple):
    """A request that is whole and allowed."""

    session: Charged
    cost: int
    """Bytes that it takes in memory until its reply."""
    used: int
    """Bytes that the requests of all sessions take."""
    is_login: bool
    now: float
    """Monotonic seconds."""


class QueueFacts(NamedTuple):
    """A request that its queue does not take, or would not take in time."""

    queue: str
    """What waits there."""
    full: bool
    """Whether there is no place; else it would take too long."""
    retry_after: float | None
    """Seconds in which what waits is worked off, if that is known."""


class PushFacts(NamedTuple):
    """A notify whose session is found."""

    draining: bool
    deliverable: bool
    """Whether somebody would still deliver it if the gateway stops."""
