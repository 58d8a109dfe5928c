"""What ended sessions still owed: given to the offline store, or lost and remembered until their client is told."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from quicgw_fast.codes import ResetReason
from quicgw_fast.session.notify_count import NotifyCount
from quicgw_fast.session.resume import Gap

REMEMBERED_OPENIDS = 10_000
"""How many openids are remembered to have lost something; of more, those who lost first are not told (but counted)."""


@dataclass(slots=True, frozen=True)
class _Loss:
    session_id: str
    lost: NotifyCount


class UntoldLosses:
    """Notifies that a session had accepted and that neither a connection nor the store took, by openid.

    Outlives what is remembered of the sessions themselves: a client may come back long after.
    """

    def __init__(self, remembered: int = REMEMBERED_OPENIDS) -> None:
        self._remembered = remembered
        self._by_openid: OrderedDict[str, list[_Loss]] = OrderedDict()

    def add(self, openid: str, session_id: str, lost: NotifyCount) -> None:
        """Remember that so many of this session were lost."""
        if lost.total:
            self._by_openid.setdefault(openid, []).append(_Loss(session_id, lost))
            if len(self._by_openid) > self._remembered:
                self._by_openid.popitem(last=False)

    def take(self, openid: str, session_id: str) -> NotifyCount:
        """Return what the openid was not told of yet, seen from this session ("" for none), and forget it.

        What other sessions lost has no number in this one's history.
        """
        numbered = unnumbered = 0
        for loss in self._by_openid.pop(openid, []):
            if loss.session_id == session_id:
                numbered += loss.lost.numbered
                unnumbered += loss.lost.unnumbered
            else:
                unnumbered += loss.lost.total
        return NotifyCount(numbered, unnumbered)


def gap_to_tell(gap: Gap | None, given: NotifyCount, lost: NotifyCount) -> Gap | None:
    """Return the gap as its client is told of it: without what was ``given`` to the store, with what that did not take.

    None when nothing is missing and nothing was asked for. A fresh start has a gap without a reason when something
    that an earlier session accepted for its client is lost.
    """
    if gap is None:
        return Gap(ResetReason.NONE, notifies=lost.total, unnumbered=lost.total) if lost.total else None
    if gap.notifies is None or gap.unnumbered is None:  # unknown, but for this
        return replace(gap, notifies=lost.total, unnumbered=lost.total) if lost.total else gap
    return replace(
        gap,
        notifies=max(0, gap.notifies - given.total) + lost.total,
        unnumbered=max(0, gap.unnumbered - given.unnumbered) + lost.unnumbered,
    )
