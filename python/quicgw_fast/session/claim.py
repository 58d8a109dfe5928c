"""What a client says of itself in START, and whether it says it too late (protocol §2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OPENID = 256
"""Bytes of an openid; longer ones are refused (protocol §2)."""
REMEMBERED_EPOCHS = 4
"""Epochs of one openid whose attempts are compared: the session's own and those it came from."""

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


class Attempts:
    """The highest attempt of each epoch that was acted on: a START that comes late must not undo a newer one."""

    __slots__ = ("_by_epoch",)

    def __init__(self, by_epoch: Mapping[str, int] = _NONE) -> None:
        """``by_epoch`` is not changed, but replaced: most clients do not count, and share one that is empty."""
        self._by_epoch = by_epoch

    def note(self, claim: StartClaim) -> None:
        """Remember that this START is acted on."""
        if claim.epoch and claim.attempt:
            others = {epoch: attempt for epoch, attempt in self._by_epoch.items() if epoch != claim.epoch}
            others[claim.epoch] = max(claim.attempt, self._by_epoch.get(claim.epoch, 0))
            if len(others) > REMEMBERED_EPOCHS:
                del others[next(iter(others))]
            self._by_epoch = others

    def outdated(self, claim: StartClaim) -> bool:
        """Whether a START of the same epoch that is not older was acted on before; 0 is not compared."""
        return 0 < claim.attempt <= self._by_epoch.get(claim.epoch, 0)

    @property
    def by_epoch(self) -> Mapping[str, int]:
        """The highest attempt of each epoch; nobody changes it."""
        return self._by_epoch

    def copy(self) -> Self:
        """What the session that follows knows."""
        return type(self)(self._by_epoch)
