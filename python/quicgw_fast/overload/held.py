"""What a client sends before its START is answered (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import CloseCode
from quicgw_fast.overload.rule import Close

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import HeldFacts

MAX_HELD: Final = 2 << 20
"""Bytes, as two messages of the greatest size have (protocol §1)."""


class HeldBytes:
    """Bounds what waits behind one START; who sends more may come back."""

    name = "held-before-start"
    _refusal = Close(CloseCode.OVERLOADED, "too much was sent before START was answered")

    def judge(self, facts: HeldFacts, /) -> Close | None:
        """See ``Rule``."""
        return self._refusal if facts.held > MAX_HELD else None
