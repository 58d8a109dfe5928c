"""All that an outbox has, as both makers of the engine give it and take it: how a session leaves a process.

It is made of plain parts and knows no maker, so that what one exports the other can restore. How it is written down is
not the engine's business.
"""

from __future__ import annotations

from typing import NamedTuple

from quicgw_fast.backend.tally import Tally


class BoundState(NamedTuple):
    """A notify that waits for the reply to its request."""

    client_seq: int
    before: bool
    """Whether it goes out before the reply, or behind it."""
    body: bytes
    expires_at: float
    """Seconds on the clock of ``Outbox.expire``."""
    ticket: int


class HeldState(NamedTuple):
    """A notify that waits for a login, or for room."""

    body: bytes
    ticket: int


class OutboxState(NamedTuple):
    """An outbox at one moment, but for its bounds."""

    acked: int = 0
    """The last number acknowledged."""
    max_client_seq: int = 0
    kinds: bytes = b""
    """Of each number behind ``acked`` what its message counts as: 0 a response, 1 a notify that belongs to a request, 2
    a notify of its own, 3 one whose original is kept elsewhere. So the last number sent follows from it."""
    frames: bytes = b""
    """Their frames, one behind the other; none after an overflow, which the kinds outlive. Of both there is a
    later part alone where ``Outbox.export`` was told a number: that cannot be restored by itself."""
    open: list[int] = []  # noqa: RUF012 - nobody changes a state
    """Requests without a reply, in their order."""
    bound: list[BoundState] = []  # noqa: RUF012
    """By request, those before its reply first, each side in the order in which it was bound."""
    held: list[HeldState] = []  # noqa: RUF012
    """In their order."""
    fates: list[tuple[int, int]] = []  # noqa: RUF012
    """What ``Outbox.fates`` did not tell yet."""
    releasing: bool = False
    overflowed: bool = False
    dropped: tuple[int, int] = (0, 0)
    tally: Tally = Tally()
