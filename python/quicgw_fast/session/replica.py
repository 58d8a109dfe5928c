"""What is written of a session while it lives, so that another gateway can go on with it when this one dies.

A replica begins with the session as a whole, and each later record has its outbox as it is by then: all of it but the
messages that the records before have. So the newest record says how things are, and the messages are those of all
records, one behind the other. A whole takes the place of everything before it; it is written when something beside the
outbox has changed, and when the records behind it have grown to its own size.

Any record is a state that the session really was in. Whoever goes on from there does nothing wrong as long as nobody
was shown what came later, and to that ``flow.replication`` sees. Therefore nothing is written for what only makes the
outbox smaller, as an acknowledgement: it is in the next record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_LATER: Final = 64
"""Records behind a whole: each costs who takes over, and the directory's memory, a little more than its messages."""
SMALLEST: Final = 16 << 10
"""Bytes behind a whole that are not too many, however small that is."""


class Record(NamedTuple):
    """What is to be written."""

    data: bytes
    whole: bool
    last: int
    """The highest number in it."""


@dataclass(slots=True)
class Replica:
    """What was written of one session."""

    safe: int = 0
    """The highest number that was seen written: up to there its client may be given messages."""
    size: int = 0
    """Bytes of all records."""
    whole_size: int = 0
    """Those of the first one."""
    later: int = 0
    """Records behind that."""
    due: bool = True
    """Whether the next one has to be a whole, whatever else holds."""
    life: str = ""
    """Of the data in which the whole was written."""
    left_out: bool = False
    """Whether the session ended here before its last change was written."""
    heard: int = 0
    """Up to which number it is written what it had of what was for many (``Heard``)."""
    answered: int = 0
    """The generation of the connection whose START was answered: another one gets nothing before that."""
    msg_ids: dict[int, int] = field(default_factory=dict)
    """Of requests without a reply, by their numbers: under which ids they came."""
    beside: tuple[object, ...] = ()
    """What the session was beside its outbox at the last whole."""

    @property
    def grown(self) -> bool:
        """Whether what is behind the whole is too much."""
        return self.later >= MOST_LATER or self.size > 2 * self.whole_size + SMALLEST

    def wrote(self, record: Record) -> None:
        """It is there."""
        size = len(record.data)
        if record.whole:
            self.size, self.whole_size, self.later, self.due = size, size, 0, False
        else:
            self.size += size
            self.later += 1
        self.safe = record.last
