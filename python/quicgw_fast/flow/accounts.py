"""What the gateway accepted for delivery and what became of it, over all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.backend.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable


class StoreShare(NamedTuple):
    """What the offline store adds to the accounts of notifies.

    What sessions handed over counts as accepted with them; their accounts call it saved.
    """

    accepted: int = 0
    """Put there for who was away, also by an earlier process."""
    delivered: int = 0
    """Acknowledged by their clients, and deleted."""
    lost: int = 0
    """Not taken at a hand-over, too old, or not to be sent to anybody."""
    waiting: int = 0
    """Handed over, and not taken or refused yet."""
    stored: int = 0
    """There now."""


NO_STORE: Final = StoreShare()


class Accounts:
    """The accounts of all sessions that ever were; of each kind accepted = delivered + lost + open (+ stored)."""

    def __init__(self) -> None:
        self._ended = Tally()

    def end(self, tally: Tally) -> None:
        """Take over the accounts of a session that ended."""
        self._ended = _total([self._ended, tally])

    def snapshot(self, live: Iterable[Tally], share: StoreShare = NO_STORE) -> dict[str, dict[str, int]]:
        """All accounts, with those of the sessions that live and the share of the offline store."""
        t = _total([self._ended, *live])
        return {
            "responses": {
                "accepted": t.responses_accepted,
                "delivered": t.responses_delivered,
                "lost": t.responses_lost,
                "open": t.responses_accepted - t.responses_delivered - t.responses_lost,
            },
            "notifies": {
                "accepted": t.notifies_accepted + share.accepted,
                "delivered": t.notifies_delivered + share.delivered,
                "lost": t.notifies_lost + share.lost,
                "open": t.notifies_accepted - t.notifies_delivered - t.notifies_lost - t.notifies_saved + share.waiting,
                "stored": share.stored,
            },
        }


def _total(tallies: Iterable[Tally]) -> Tally:
    return Tally(*map(sum, zip(*tallies, strict=True)))
