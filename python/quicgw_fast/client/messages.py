"""What the application gets from the client: replies, notifies, what was missed, a ticket, counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from quicgw_fast.client.headers import whole
from quicgw_fast.codes import OK

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Reply:
    """An upstream service's answer; ``code`` is the service's own. An error of the gateway is raised instead."""

    code: int
    message: str
    data: bytes
    headers: dict[str, str]
    seq_id: int
    """The message's number in the session's order (protocol §4)."""

    @property
    def ok(self) -> bool:
        """True for code 200."""
        return self.code == OK


@dataclass(slots=True)
class Notify:
    """A message that a service pushed. type, title and content are from the headers ``notify-…``."""

    data: bytes
    message: str
    type: str
    title: str
    content: str
    headers: dict[str, str]
    seq_id: int
    """The message's number in the session's order (protocol §4)."""
    after_reset: bool = False
    """It is the first one of a new session: something before it may have been lost, and ``on_state`` was told what
    (State.RESET)."""


@dataclass(slots=True, frozen=True)
class GapReport:
    """What was missed when a resume was refused (headers ``gap-…`` of the START_RESP); None where unknown."""

    first: int | None = None
    """The first number missed."""
    last: int | None = None
    """The last number missed."""
    responses: int | None = None
    """How many of the missed messages were replies."""
    notifies: int | None = None
    """How many were notifies."""
    acknowledged: int | None = None
    """How many of the missed numbers had been acknowledged before."""
    unnumbered: int | None = None
    """How many of the counted messages were dropped before they took a number."""
    unanswered: int | None = None
    """Requests that were in flight and will get no reply."""
    reason: str = ""
    """The gateway's name of the reason."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> GapReport | None:
        """Read the report; None when there is none. A value that is not a number counts as unknown."""
        if not any(name.startswith("gap-") for name in headers):
            return None
        return cls(
            first=whole(headers, "gap-from"),
            last=whole(headers, "gap-to"),
            responses=whole(headers, "gap-responses"),
            notifies=whole(headers, "gap-notifies"),
            acknowledged=whole(headers, "gap-acknowledged"),
            unnumbered=whole(headers, "gap-unnumbered"),
            unanswered=whole(headers, "gap-unanswered"),
            reason=headers.get("gap-reason", ""),
        )


@dataclass(slots=True, frozen=True)
class Ticket:
    """What another process needs to go on with this session: ``connect(resume=ticket)``."""

    session_id: str
    epoch: str
    last_acked: int
    """Number of the last message that the application has."""
    logged_in: bool = True
    """False makes the next client log in again."""
    attempt: int = 0
    """Number of the last START that was sent for this session."""


class StopReason(IntEnum):
    """Why the client ends its session (protocol §1, StopRequest)."""

    UNKNOWN = 0
    USER_LOGOUT = 1
    APP_CLOSE = 2
    SWITCH_ACCOUNT = 3


@dataclass(slots=True)
class ClientStats:
    """Counts since the client was made; read them whenever you like."""

    calls: int = 0
    """Calls taken, logins included."""
    replies: int = 0
    errors: int = 0
    """Replies that were errors of the gateway."""
    timeouts: int = 0
    """Calls given up by this side."""
    repeated: int = 0
    """Requests sent once more because the gateway had refused them unread for their rate (429)."""
    unmatched_replies: int = 0
    """Replies whose call had been given up, or belonged to another process."""
    notifies: int = 0
    dropped_notifies: int = 0
    """Dropped by the policy ``drop_oldest``, or by ``auto`` while nobody read."""
    duplicates: int = 0
    """Messages that came again after a resume and were dropped."""
    offline_duplicates: int = 0
    """Stored notifies that came again after a reset and were dropped."""
    protocol_failures: int = 0
    """Connections dropped because the gateway broke the protocol."""
    connects: int = 0
    """Sessions started or resumed."""
    resumes: int = 0
    resets: int = 0
    resent: int = 0
    heartbeats: int = 0
    acks: int = 0
    refreshes: int = 0
    """Tokens refreshed without reconnecting."""
    unknown_messages: int = 0
    """Messages of a type that this version does not know."""
    last_rtt: float | None = None
    """Seconds from the last answered heartbeat to its answer."""
    last_error: str = ""
    """The gateway's last error that belongs to no call."""
