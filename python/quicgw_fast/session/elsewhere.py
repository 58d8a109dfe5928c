"""Requests of a session that moves: those that stay where they are, and those that come along."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from quicgw_fast.ports import Metadata, ServiceRequest


class RequestElsewhere(NamedTuple):
    """A request that began at one gateway, while its session went on to another one."""

    client_seq: int
    msg_id: int
    action: str
    """In lower case."""
    is_login: bool
    until: float
    """Its deadline, in monotonic seconds."""
    gateway: str = ""
    """Which one works on it; empty for the one that says so."""
    lost: bool = False
    """Whether that one is known to have died."""


class WaitingRequest(NamedTuple):
    """A request that waits behind a hello, and goes where its session goes. Times are monotonic seconds."""

    request: ServiceRequest
    msg_id: int
    is_login: bool
    accepted_at: float
    deadline: float
    metadata: Metadata
    cost: int
    """Bytes that it counts until its reply."""
