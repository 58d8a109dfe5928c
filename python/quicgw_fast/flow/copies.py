"""A push to an openid with several devices is one copy for each; whoever waits is told of all of them together.

It is acknowledged with the first copy that is, as its user has it then, and lost with the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import PushOutcome
from quicgw_fast.flow.targets import PushRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quicgw_fast.session import Asker, Fate, Session


def give_each(
    sessions: Iterable[Session], give: Callable[[Session, Asker | None], str], asker: Asker | None
) -> list[str]:
    """Give each session its copy, as if it were the only one, and return what became of those that were taken.

    ``give`` is told who waits for the copy, where anybody does. Raises the first PushRefused where none takes it.
    """
    copies = None if asker is None else Copies(asker)
    told: list[str] = []
    refusals: list[PushRefused] = []
    for session in sessions:
        copy = None if copies is None else copies.one_more()
        try:
            told.append(give(session, copy))
        except PushRefused as refused:
            refusals.append(refused)
            if copy is not None:
                copy.refused()
    if not told:
        raise refusals[0]
    if copies is not None:
        copies.complete()
    return told


class Copies:
    """The copies of one push."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        """Who waits for the push."""
        self._left = 1  # as long as more may be made, even the last one that is lost says nothing
        self._last: Fate | None = None

    def one_more(self) -> Copy:
        """Who waits for one more copy."""
        self._left += 1
        return Copy(self)

    def complete(self) -> None:
        """No more are made."""
        self.one_less(None)

    def one_less(self, fate: Fate | None) -> None:
        """Nothing is to be waited for of one any more: it is lost, or (None) there is none."""
        self._left -= 1
        self._last = fate or self._last
        if not self._left and self._last is not None:
            self.asker.settle(self._last)


class Copy:
    """Stands for who waits with one copy (``session.Asker``)."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._told = False

    @property
    def waits(self) -> bool:
        """Whether what becomes of this copy matters still."""
        return not self._told and self._copies.asker.waits

    def settle(self, fate: Fate) -> None:
        """Tell what became of it; whatever comes behind the first is ignored."""
        if self._told:
            return
        self._told = True
        if fate.outcome is PushOutcome.LOST:
            self._copies.one_less(fate)
        else:
            self._copies.asker.settle(fate)

    def refused(self) -> None:
        """Its session did not take it: there is no such copy."""
        self._told = True
        self._copies.one_less(None)

    def when_settled(self, call: Callable[[], object]) -> None:
        """Have this called soon after whoever waits was told something."""
        self._copies.asker.when_settled(call)
