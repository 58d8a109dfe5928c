"""How a client is told that there is no room for its connection, and when to come back."""

from __future__ import annotations

from quicgw_fast.codes import CloseCode
from quicgw_fast.ports import ConnectionRefusal


def come_back(why: str, after: float) -> ConnectionRefusal:
    """Close with OVERLOADED: ``why``, and ``after`` how many seconds to try again, where clients look for it."""
    return ConnectionRefusal(
        CloseCode.OVERLOADED, CloseCode.OVERLOADED.phrase(f"{why}, retry-after-ms {round(after * 1000)}")
    )
