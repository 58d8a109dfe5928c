"""How many notifies, told apart by whether they had their number."""

from __future__ import annotations

from typing import Final, NamedTuple


class NotifyCount(NamedTuple):
    """Numbers of notifies of one session."""

    numbered: int = 0
    unnumbered: int = 0
    """They waited for a login, or for room, and had not taken a number yet."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.numbered + self.unnumbered


NO_NOTIFIES: Final = NotifyCount()
