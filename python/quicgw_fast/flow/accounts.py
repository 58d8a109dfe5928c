"""What the gateway accepted for delivery and what became of it, over all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.backend.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quicgw_fast.observe import Metrics


class StoreShare(NamedTuple):
    """What the offline store adds to the accounts of notifies.

    What sessions handed over counts as accepted with them; their accounts call it saved.
    """

    accepted: int = 0
    """Put there for who was away, also by an earlier process, or another one where several have the store."""
    delivered: int = 0
    """Acknowledged by their clients, and deleted."""
    lost: int = 0
    """Not taken at a hand-over, too old, or not to be sent to anybody."""
    waiting: int = 0
    """Handed over, and not taken or refused yet."""
    stored: int = 0
    """There now."""


NO_STORE: Final = StoreShare()
FATES: Final = (
    *(("responses", fate) for fate in ("accepted", "delivered", "lost", "open")),
    *(("notifies", fate) for fate in ("accepted", "delivered", "lost", "open", "stored")),
)
"""Of each kind of message, what the accounts tell apart."""


class Accounts:
    """The accounts of all sessions that ever were; of each kind accepted = delivered + lost + open (+ stored)."""

    def __init__(self, metrics: Metrics, live: Callable[[], Iterable[Tally]], share: Callable[[], StoreShare]) -> None:
        """``live`` gives the accounts of the sessions that did not end, ``share`` that of the offline store."""
        self._ended = Tally()
        self._live = live
        self._share = share
        # Not counters: what an earlier process left in the store is accepted here, and what is saved moves. Where
        # several have one store, what waits there is in the accounts of each.
        metrics.gauges("messages", "Messages for clients, and what became of them", ("kind", "fate"), FATES, self._now)

    def end(self, tally: Tally) -> None:
        """Take over the accounts of a session that ended."""
        self._ended = _total([self._ended, tally])

    def _now(self) -> dict[tuple[str, ...], int]:
        t, share = _total([self._ended, *self._live()]), self._share()
        responses_open = t.responses_accepted - t.responses_delivered - t.responses_lost
        notifies_open = t.notifies_accepted - t.notifies_delivered - t.notifies_lost - t.notifies_saved
        return {
            ("responses", "accepted"): t.responses_accepted,
            ("responses", "delivered"): t.responses_delivered,
            ("responses", "lost"): t.responses_lost,
            ("responses", "open"): responses_open,
            ("notifies", "accepted"): t.notifies_accepted + share.accepted,
            ("notifies", "delivered"): t.notifies_delivered + share.delivered,
            ("notifies", "lost"): t.notifies_lost + share.lost,
            ("notifies", "open"): notifies_open + share.waiting,
            ("notifies", "stored"): share.stored,
        }


def _total(tallies: Iterable[Tally]) -> Tally:
    return Tally(*map(sum, zip(*tallies, strict=True)))
