"""Nothing is begun at a gateway that stops (protocol §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.overload.rule import Refusal
from quicgw_fast.ports import ConnectionRefusal

if TYPE_CHECKING:
    from quicgw_fast.overload.facts import PushFacts

GATEWAY_STOPS: Final = Refusal(ErrorCode.OVERLOADED, "gateway stopping", "connect to another one")
"""What a START is told."""


class MayDrain(Protocol):
    """Facts that say whether the gateway stops."""

    @property
    def draining(self) -> bool:
        """It does."""


class ConnectionWhileDraining:
    """A client is not let in any more, also when its handshake is under way already."""

    name = "draining"
    _refusal = ConnectionRefusal(CloseCode.DRAINING, CloseCode.DRAINING.phrase("no new connections"))

    def judge(self, facts: MayDrain, /) -> ConnectionRefusal | None:
        """See ``Rule``."""
        return self._refusal if facts.draining else None


class StartWhileDraining:
    """A client that comes is sent to another gateway."""

    name = "draining"

    def judge(self, facts: MayDrain, /) -> Refusal | None:
        """See ``Rule``."""
        return GATEWAY_STOPS if facts.draining else None


class RequestWhileDraining:
    """A request that comes is answered, but not passed on."""

    name = "draining"
    _refusal = Refusal(ErrorCode.OVERLOADED, "overloaded", "the gateway is stopping")

    def judge(self, facts: MayDrain, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusal if facts.draining else None


class PushWhileDraining:
    """A notify that nobody would deliver any more is not accepted."""

    name = "draining"
    _refusal = Refusal(ErrorCode.OVERLOADED, "draining", "the gateway stops, and its client would never get this")

    def judge(self, facts: PushFacts, /) -> Refusal | None:
        """See ``Rule``."""
        return self._refusal if facts.draining and not facts.deliverable else None
