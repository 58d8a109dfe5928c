"""What the gateway accepted for delivery and what became of it, over all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.backend.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable


class Accounts:
    """The accounts of all sessions that ever were; of each kind accepted = delivered + lost + open (+ stored)."""

    def __init__(self) -> None:
        self._ended = Tally()

    def end(self, tally: Tally) -> None:
        """Take over the accounts of a session that ended."""
        self._ended = _total([self._ended, tally])

    def snapshot(self, live: Iterable[Tally]) -> dict[str, dict[str, int]]:
        """All accounts, with those of the sessions that live."""
        t = _total([self._ended, *live])
        return {
            "responses": {
                "accepted": t.responses_accepted,
                "delivered": t.responses_delivered,
                "lost": t.responses_lost,
                "open": t.responses_accepted - t.responses_delivered - t.responses_lost,
            },
            "notifies": {
                "accepted": t.notifies_accepted,
                "delivered": t.notifies_delivered,
                "lost": t.notifies_lost,
                "open": t.notifies_accepted - t.notifies_delivered - t.notifies_lost - t.notifies_saved,
                "stored": t.notifies_saved,
            },
        }


def _total(tallies: Iterable[Tally]) -> Tally:
    return Tally(*map(sum, zip(*tallies, strict=True)))
