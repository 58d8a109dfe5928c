"""What a client says of itself in START, and whether it says it too late (protocol §2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

MAX_OPENID = 256
"""Bytes of an openid; longer ones are refused (protocol §2)."""
REMEMBERED_EPOCHS = 4
"""Epochs of one openid whose attempts are compared: the session's own and those it came from."""


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


class Attempts:
    """The highest attempt of each epoch that was acted on: a START that comes late must not undo a newer one."""

    def __init__(self) -> None:
        self._by_epoch: dict[str, int] = {}

    def note(self, claim: StartClaim) -> None:
        """Remember that this START is acted on."""
        if claim.epoch and claim.attempt:
            self._by_epoch[claim.epoch] = max(claim.attempt, self._by_epoch.pop(claim.epoch, 0))
            if len(self._by_epoch) > REMEMBERED_EPOCHS:
                del self._by_epoch[next(iter(self._by_epoch))]

    def outdated(self, claim: StartClaim) -> bool:
        """Whether a START of the same epoch that is not older was acted on before; 0 is not compared."""
        return 0 < claim.attempt <= self._by_epoch.get(claim.epoch, 0)

    def copy(self) -> Self:
        """What the session that follows knows."""
        copy = type(self)()
        copy._by_epoch.update(self._by_epoch)
        return copy
