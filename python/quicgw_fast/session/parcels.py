"""What is to be known of a push until it arrives: to whom its fate is told, how long it may wait, what replaces it.

Of an ordinary push nothing is known but its body, in the outbox. One whose sender asked for more is a *parcel*. While
it waits for its number the outbox knows it by a ticket, and tells when that is decided; here it is found by its ticket,
and by its supersede key. Once it has its number it is in the order of its session: neither its time nor a newer one of
its key can take it out any more, as a client counts on numbers without a gap (protocol §4). Then it stays here only if
somebody waits for its acknowledgement, and at most as long as the outbox retains it. A session has a book of its
parcels from its first one on, so that all others pay one comparison.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quicgw_fast.codes import LostReason, PushOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.backend import Outbox
    from quicgw_fast.clock import Timer


class Fate(NamedTuple):
    """How it ended for somebody who waited."""

    outcome: PushOutcome
    reason: LostReason = LostReason.NONE


ACKNOWLEDGED = Fate(PushOutcome.ACKNOWLEDGED)
PENDING = Fate(PushOutcome.PENDING)


def lost(reason: LostReason) -> Fate:
    """Return the fate of what will not be acknowledged any more."""
    return Fate(PushOutcome.LOST, reason)


class Asker(Protocol):
    """Who waits to hear what became of a push."""

    @property
    def waits(self) -> bool:
        """Whether it still does."""

    def settle(self, fate: Fate) -> None:
        """Tell it; whatever comes behind the first is ignored."""

    def when_settled(self, call: Callable[[], object]) -> None:
        """Have this called soon after something was told."""


@dataclass(slots=True, eq=False)
class Parcel:
    """One push whose sender asked for more. Times are monotonic seconds."""

    ticket: int
    """Names it to the outbox, and is of no other parcel of this process."""
    expires_at: float = math.inf
    """When it is dropped, if it has not been sent by then."""
    key: str = ""
    """Its supersede key; empty for none."""
    asker: Asker | None = None
    number: int = 0
    """Its place in the order of its session; 0 while it waits for one."""
    stored_id: int = 0
    """Under which the offline store has it."""
    book: ParcelBook | None = None
    """Of the session that has it; None while the offline store alone does."""
    timer: Timer | None = field(default=None, repr=False)
    """Goes off when its time is over; gone once it has its number."""

    @property
    def patient(self) -> bool:
        """Whether it takes no number before it can be sent: as long as it has none, it can be dropped or replaced."""
        return bool(self.key) or self.expires_at < math.inf

    def tell(self, fate: Fate) -> None:
        """Tell who waits, if anybody does."""
        self.unhurried()
        if self.asker is not None:
            self.asker.settle(fate)

    def unhurried(self) -> None:
        """Its time does not matter any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class ParcelBook:
    """The parcels of one session."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: dict[int, Parcel] = {}
        """By ticket: bound or held."""
        self._by_key: dict[str, Parcel] = {}
        """Of those, the one of each supersede key."""
        self._numbered: deque[Parcel] = deque()
        """Those with a number for whom somebody waits, in their order."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._numbered)

    def waits(self, parcel: Parcel) -> None:
        """The outbox keeps one without a number."""
        parcel.book = self
        self._waiting[parcel.ticket] = parcel
        if parcel.key:
            self._by_key[parcel.key] = parcel

    def of_ticket(self, ticket: int) -> Parcel | None:
        """The one with this ticket that waits."""
        return self._waiting.get(ticket)

    def has_key(self, key: str) -> bool:
        """Whether one with this supersede key waits."""
        return key in self._by_key

    def of_key(self, key: str) -> Parcel | None:
        """The one with this supersede key that waits."""
        return self._by_key.get(key)

    def sent(self, parcel: Parcel, number: int) -> None:
        """One has taken its number: the highest so far."""
        parcel.book, parcel.number = self, number
        parcel.unhurried()
        if parcel.asker is not None:
            self._numbered.append(parcel)

    def look(self) -> list[Parcel]:
        """Note the numbers that were taken since; return those whose request did not come in time."""
        dropped = []
        for ticket, number in self._outbox.fates():
            parcel = self._forget(ticket)
            if number:
                self.sent(parcel, number)
            else:
                dropped.append(parcel)
        return dropped

    def withdraw(self, parcel: Parcel) -> bool:
        """Take one out of the outbox; False when it has its number by now."""
        if not self._outbox.withdraw(parcel.ticket):
            return False
        self._forget(parcel.ticket)
        return True

    def replaced(self, parcel: Parcel) -> None:
        """The outbox has a newer one in its place."""
        self._forget(parcel.ticket)

    def acknowledged(self) -> list[Parcel]:
        """Return those that the client has, and forget them; ``look`` comes first."""
        up_to, done = self._outbox.acked_seq, []
        while self._numbered and self._numbered[0].number <= up_to:
            done.append(self._numbered.popleft())
        return done

    def leave(self, names: list[tuple[int, int]]) -> tuple[list[Parcel | None], list[Parcel]]:
        """Give away all that is left: those of these (number, ticket), in their order, and all others."""
        numbered = {parcel.number: parcel for parcel in self._numbered}
        kept = [numbered.pop(number, None) if number else self._waiting.pop(ticket, None) for number, ticket in names]
        others = [*numbered.values(), *self._waiting.values()]
        self._numbered.clear()
        self._waiting.clear()
        self._by_key.clear()
        for parcel in (*filter(None, kept), *others):
            parcel.book = None
        return kept, others

    def _forget(self, ticket: int) -> Parcel:
        parcel = self._waiting.pop(ticket)
        if self._by_key.get(parcel.key) is parcel:
            del self._by_key[parcel.key]
        return parcel
