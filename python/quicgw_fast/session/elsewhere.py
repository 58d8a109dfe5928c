"""Requests of a session that another gateway works on, which had the session before."""

from __future__ import annotations

from typing import NamedTuple


class RequestElsewhere(NamedTuple):
    """A request that was accepted at one gateway, while its session went on to another one."""

    client_seq: int
    msg_id: int
    action: str
    """In lower case."""
    is_login: bool
    until: float
    """Its deadline, in monotonic seconds."""
    gateway: str = ""
    """Which one works on it; empty for the one that says so."""
