"""How far a session is with what the offline store keeps for its openid.

What is stored is older than what is pushed now, so a session that is *behind* gets nothing new: pushes are held until
everything older was sent. The store is read beside the loop, and while it is read more may be put into it by who saw no
session yet. Therefore what was read counts for all there is only if nothing was put since the read began; else it is
read once more. ``TRANSITIONS`` has every step; a pair that it does not have is impossible.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class CatchUpState(Enum):
    """What is known of the store's messages for one openid."""

    CURRENT = "all were sent"
    BEHIND = "some may be there, and nobody reads them"
    READING = "they are being read"
    OUTDATED = "they are being read, and one was put since"
    READ = "all were read, and are about to be sent"


class ReadingEvent(Enum):
    """What changes that."""

    STORED = "one was put"
    BEGUN = "a read begins"
    LOADED = "the store answered"
    FAILED = "it could not be read"
    SENT = "all that was read was sent"
    FULL = "the client has no room for all of it"


def _table(event: ReadingEvent, **to: CatchUpState) -> dict[tuple[CatchUpState, ReadingEvent], CatchUpState]:
    return {(CatchUpState[state], event): after for state, after in to.items()}


_CURRENT, _BEHIND, _READING, _OUTDATED, _READ = CatchUpState

TRANSITIONS: Final = {
    **_table(ReadingEvent.STORED, CURRENT=_BEHIND, BEHIND=_BEHIND, READING=_OUTDATED, OUTDATED=_OUTDATED, READ=_BEHIND),
    **_table(ReadingEvent.BEGUN, CURRENT=_READING, BEHIND=_READING, READ=_READING),
    # What came meanwhile is read in the same go.
    **_table(ReadingEvent.LOADED, READING=_READ, OUTDATED=_READING),
    **_table(ReadingEvent.FAILED, CURRENT=_BEHIND, BEHIND=_BEHIND, READING=_BEHIND, OUTDATED=_BEHIND, READ=_BEHIND),
    # Another read may have begun between an answer and its delivery: that one decides.
    **_table(ReadingEvent.SENT, BEHIND=_BEHIND, READING=_READING, OUTDATED=_OUTDATED, READ=_CURRENT),
    **_table(ReadingEvent.FULL, BEHIND=_BEHIND, READING=_READING, OUTDATED=_OUTDATED, READ=_BEHIND),
}


@dataclass(slots=True)
class CatchUp:
    """One session's way through what is stored for its openid."""

    state: CatchUpState = CatchUpState.CURRENT
    sent_up_to: int = 0
    """The highest id that is done with in this session: they are sent in order, and none twice by a second read."""
    unacknowledged: dict[int, int] = field(default_factory=dict)
    """Server number to the store's id, of what was sent: it is deleted when the client acknowledges the number."""

    @property
    def behind(self) -> bool:
        """Whether something older may be there that has to be sent before anything new."""
        return self.state is not CatchUpState.CURRENT

    @property
    def reading(self) -> bool:
        """Whether a read is under way."""
        return self.state in (CatchUpState.READING, CatchUpState.OUTDATED)

    def apply(self, event: ReadingEvent) -> None:
        """Take a step of the table; KeyError for one that it does not have, a bug of the caller."""
        self.state = TRANSITIONS[self.state, event]

    def sent(self, seq: int, stored_id: int) -> None:
        """Note that the stored message ``stored_id`` went out under the number ``seq``."""
        self.unacknowledged[seq] = stored_id
        self.sent_up_to = stored_id

    def skipped(self, stored_id: int) -> None:
        """Note that the stored message ``stored_id`` can never go out."""
        self.sent_up_to = stored_id

    def acknowledged_elsewhere(self, stored_id: int) -> None:
        """Another session of the openid is done with all up to that one: it is sent everything in order, too."""
        self.sent_up_to = max(self.sent_up_to, stored_id)

    def acknowledged(self, up_to: int) -> list[int]:
        """Return the ids of the stored messages that the client has, now that it has the numbers up to ``up_to``."""
        return [self.unacknowledged.pop(seq) for seq in list(self.unacknowledged) if seq <= up_to]
