"""A flight recorder that also writes each entry into the log as it comes: what ``log.level = "debug"`` shows.

It stands in the place of the plain one, so that whoever records needs to know nothing of it, and without it nothing is
asked on the way of a message. The line is made of the entry alone; what that has no place for, the ids that a client
gave its request, is told before and kept until the answer.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from quicgw_fast.log_ids import call_ids, session_ids
from quicgw_fast.session.trail import Entry, EntryKind, Trail

if TYPE_CHECKING:
    from quicgw_fast.ports import Metadata

_ANSWERS: Final = frozenset({EntryKind.REPLY, EntryKind.ERROR})
_EVENTS: Final = {
    **dict.fromkeys(EntryKind, "received"),
    **dict.fromkeys(_ANSWERS, "answered"),
    EntryKind.NOTIFY: "pushed",
    EntryKind.BROADCAST: "pushed",
    EntryKind.GROUP: "pushed",
    EntryKind.CLOSE: "closed",
}

_log = logging.getLogger("quicgw.messages")


class SpokenTrail(deque[Entry]):
    """The last ``length`` entries of a session, each of them told when it comes."""

    def __init__(self, before: Trail | None, length: int, session_id: str, openid: str) -> None:
        """It goes on with the entries of the trail ``before``."""
        super().__init__(before or (), length)
        self._session_id = session_id
        self._openid = openid
        self._given: dict[int, Metadata] = {}
        """By their numbers, what the services of requests are told that were not answered."""

    @property
    def unanswered(self) -> int:
        """How many requests it expects answers to."""
        return len(self._given)

    def expect(self, number: int, metadata: Metadata) -> None:
        """A request with that number comes next, and this is what its service is told."""
        self._given[number] = metadata

    def append(self, entry: Entry, /) -> None:
        """Keep the entry, and write its line."""
        super().append(entry)
        _, _, kind, number, size, duration, outcome, answered = entry
        fields = {
            **session_ids(self._session_id, self._openid),
            **call_ids(self._metadata(kind, number, answered)),
            "kind": kind.value,
            "number": number,
            "size": size,
            "duration": None if duration is None else round(duration, 6),
            "outcome": str(outcome) or None,
        }
        _log.debug(_EVENTS[kind], extra={name: value for name, value in fields.items() if value is not None})

    def _metadata(self, kind: EntryKind, number: int | None, answered: int | None) -> Metadata:
        """What is known of the request that an entry is about, none where it is about none."""
        if kind is EntryKind.REQUEST and number is not None:
            return self._given.get(number, ())
        return () if answered is None else self._given.pop(answered, ())
