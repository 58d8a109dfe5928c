"""One who reads the log in order, at its own pace."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

    from quicgw_fast.codes import LifecycleKind
    from quicgw_fast.events.log import EventLog, LoggedEvent

LOOKED_AT = 512
"""Events that one step looks at, whether they are wanted or not, before others have their turn."""


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """Which events a reader wants."""

    kinds: frozenset[LifecycleKind] = frozenset()
    """Empty for all of them."""
    openid: str = ""
    """Empty for everybody's."""

    def has(self, event: LoggedEvent) -> bool:
        """Whether it is one of them."""
        of_kind = not self.kinds or event.kind in self.kinds
        return of_kind and (not self.openid or event.of.openid == self.openid)


class EventBatch(NamedTuple):
    """What a reader gets in one step."""

    missed: range
    """Ids that were there once and are not kept any more: before its events."""
    events: list[LoggedEvent]
    end: int
    """The id up to which all was looked at."""


class Reader:
    """A place in the log, ``position``: the id up to which everything was read. For a ``with`` block."""

    def __init__(self, log: EventLog, wanted: WantedEvents, position: int) -> None:
        self.wanted = wanted
        self.position = position
        self._log = log
        self._news = asyncio.Event()

    def __enter__(self) -> Self:
        """Begin to listen for more."""
        self._log.on_change(self._news.set)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Listen no more."""
        self._log.forget(self._news.set)

    async def more(self, most: int) -> EventBatch | None:
        """Wait for ``most`` events at most, or for what is missed; None when no more will come.

        They count as read only once ``position`` is set to the batch's ``end``.
        """
        while True:
            self._news.clear()
            batch = self.look(most)
            if batch.events or batch.missed:
                return batch
            if self.position == self._log.last:
                if self._log.closed:
                    return None
                await self._news.wait()
            else:
                self.position = batch.end  # nothing that is wanted
                await asyncio.sleep(0)  # others of the loop have their turn

    def look(self, most: int) -> EventBatch:
        """Return what comes next, without waiting."""
        begin = max(self.position + 1, self._log.first)
        end = min(begin + LOOKED_AT, self._log.last + 1)
        events: list[LoggedEvent] = []
        for number in range(begin, end):
            event = self._log.event(number)
            if self.wanted.has(event):
                events.append(event)
                if len(events) == most:
                    end = number + 1
                    break
        return EventBatch(range(self.position + 1, begin), events, end - 1)
