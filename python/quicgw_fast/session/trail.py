"""The flight recorder of a session: what went over its connections last, without what was in it.

It is a bounded deque of plain tuples: recording is one ``append`` on the way of a message, and the oldest falls out. An
entry takes about 200 bytes, so a session that is busy keeps 7 KiB with the default of 32.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections import deque

Entry: TypeAlias = "tuple[float, bool, EntryKind, int | None, int, float | None, int | str, int | None]"
"""When (monotonic seconds), whether it came up, what it was, its number, its bytes, how long it took (seconds), what
became of it, and to which request it belongs. Bytes are those of the message on the way up, and those of the data that
a service gave on the way down."""
Trail: TypeAlias = "deque[Entry]"

UP: Final = True
DOWN: Final = False


class EntryKind(Enum):
    """What an entry is of."""

    START = "start"
    """A connection took the session over; ``number`` is the highest one that its client had."""
    REQUEST = "request"
    """BUSINESS; ``number`` is the client's."""
    ACK = "ack"
    """``number`` is the highest one that its client has."""
    HEARTBEAT = "heartbeat"
    STOP = "stop"
    OTHER = "other"
    """A message of a type that there is not, or not then."""
    REPLY = "reply"
    """``number`` is the highest one of its step; ``duration`` from the acceptance of its request on."""
    ERROR = "error"
    """The same of an error."""
    NOTIFY = "notify"
    """A push to this session; ``number`` is the highest one that the session had given then."""
    BROADCAST = "broadcast"
    """A push to all; without a number, as it is recorded once for many."""
    GROUP = "group"
    """The same to a group, whose name is the outcome."""
    CLOSE = "close"
    """A connection ended; up, when its client closed it."""


def shown(entry: Entry, behind: float) -> dict[str, Any]:
    """An entry as it is written into JSON; ``behind`` are the seconds from the monotonic to the wall clock."""
    at, up, kind, number, size, duration, outcome, request = entry
    return {
        "at": round(at + behind, 6),
        "direction": "up" if up else "down",
        "kind": kind.value,
        "number": number,
        "size": size,
        "duration": None if duration is None else round(duration, 6),
        "outcome": str(outcome),
        "request": request,
    }
