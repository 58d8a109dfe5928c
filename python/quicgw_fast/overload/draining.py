"""Nothing is begun at a gateway that stops (protocol §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from quicgw_fast.codes import CloseCode, ErrorCode, PushCode
from quicgw_fast.overload.rule import PushRefusal, Refusal, StartRefusal
from quicgw_fast.ports import ConnectionRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.overload.facts import PushFacts

NO_START: Final = StartRefusal(
    ErrorCode.OVERLOADED, "gateway stopping", "connect to another one", close=CloseCode.DRAINING
)
"""What a START is told, also one that waited when the gateway began to stop."""
NO_REQUEST: Final = Refusal(ErrorCode.OVERLOADED, "overloaded", "the gateway is stopping")
"""What a request is told, also one that was accepted and could not be done in time."""


class MayDrain(Protocol):
    """Facts that say whether the gateway stops."""

    @property
    def draining(self) -> bool:
        """It does."""


class ConnectionWhileDraining:
    """A client is not let in any more, also when its handshake is under way already."""

    name = "draining"

    def __init__(self, words: Callable[[], str]) -> None:
        """``words`` are what clients are told."""
        self._words = words

    def judge(self, facts: MayDrain, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        if not facts.draining:
            return None
        return ConnectionRefusal(CloseCode.DRAINING, CloseCode.DRAINING.phrase(self._words()))


class StartWhileDraining:
    """A client that comes is sent to another gateway."""

    name = "draining"

    def judge(self, facts: MayDrain, /) -> StartRefusal | None:
        """See ``Rule``."""
        return NO_START if facts.draining else None


class RequestWhileDraining:
    """A request that comes is answered, but not passed on."""

    name = "draining"

    def judge(self, facts: MayDrain, /) -> Refusal | None:
        """See ``Rule``."""
        return NO_REQUEST if facts.draining else None


class PushWhileDraining:
    """A notify that nobody would deliver any more is not accepted."""

    name = "draining"
    _refusal = PushRefusal(PushCode.DRAINING, "the gateway stops, and its client would never get this")

    def judge(self, facts: PushFacts, /) -> PushRefusal | None:
        """See ``Rule``."""
        return self._refusal if facts.draining and not facts.deliverable else None
