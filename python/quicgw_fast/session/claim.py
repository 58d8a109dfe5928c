"""What a client says of itself in START, and whether it says it too late (protocol §2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OPENID = 256
"""Bytes of an openid; longer ones are refused (protocol §2)."""
REMEMBERED_EPOCHS = 4
"""Epochs whose attempts are compared, for each session of an openid: its own and those it came from."""

_NONE: Final[Mapping[str, int]] = {}


@dataclass(slots=True, frozen=True)
class StartClaim:
    """What a client says of itself in START."""

    openid: str
    last_acked: int = 0
    session_id: str = ""
    epoch: str = ""
    attempt: int = 0
    """Grows with each START of the epoch; 0 from clients that do not count (protocol §2)."""

    @property
    def fresh(self) -> bool:
        """A start that asks for nothing old."""
        return self.last_acked == 0 and not self.session_id

    def names(self, session_id: str, epoch: str) -> bool:
        """Whether it names such a session: by its id, or without any id by its epoch. Nobody guesses either."""
        return self.session_id == session_id if self.session_id else bool(epoch) and self.epoch == epoch

    def same_client(self, other: StartClaim) -> bool:
        """Whether both want the same session: a START that names none is a client of its own."""
        return self.names(other.session_id, other.epoch)


class Attempts:
    """The highest attempt of each epoch that was acted on: a START that comes late must not undo a newer one."""

    __slots__ = ("_by_epoch", "_sessions")

    def __init__(self, by_epoch: Mapping[str, int] = _NONE, sessions: int = 1) -> None:
        """``by_epoch`` is not changed, but replaced: most clients do not count, and share one that is empty.

        It is of as many ``sessions``.
        """
        self._by_epoch = by_epoch
        self._sessions = sessions

    def note(self, claim: StartClaim) -> None:
        """Remember that this START is acted on."""
        if claim.epoch and claim.attempt:
            others = {epoch: attempt for epoch, attempt in self._by_epoch.items() if epoch != claim.epoch}
            others[claim.epoch] = max(claim.attempt, self._by_epoch.get(claim.epoch, 0))
            if len(others) > REMEMBERED_EPOCHS * self._sessions:
                del others[next(iter(others))]
            self._by_epoch = others

    def outdated(self, claim: StartClaim) -> bool:
        """Whether a START of the same epoch that is not older was acted on before; 0 is not compared."""
        return 0 < claim.attempt <= self._by_epoch.get(claim.epoch, 0)

    def copy(self, sessions: int = 1) -> Self:
        """What the sessions that follow know, of which there may be so many."""
        return type(self)(self._by_epoch, sessions)
