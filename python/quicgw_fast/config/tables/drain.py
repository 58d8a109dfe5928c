"""``[drain]``: how clients leave a gateway that stops."""

from __future__ import annotations

from typing import Annotated, ClassVar

from quicgw_fast.config.tables.base import Section
from quicgw_fast.config.values import Address, duration, number

Pause = Annotated[float, duration("0s", "1h")]


class DrainConfig(Section):
    """``[drain]``: how clients leave a gateway that stops; all but ``delay`` is within ``processor.drain_timeout``."""

    live: ClassVar = frozenset({"delay", "pace", "spread", "reconnect_to"})

    delay: Pause = 0.0
    """How long a gateway that is to stop says that it is not ready and does all its work nevertheless: until load
    balancers have noticed."""
    pace: Annotated[int, number(0, 1_000_000, "clients a second")] = 0
    """Clients that are sent away in a second, the others being served meanwhile; 0 for all at once. More leave where
    the time would not be enough."""
    spread: Pause | None = None
    """Over how long their coming back is spread (``reconnect-after-ms``); without it as long as another gateway needs
    for so many, 2 s at least and ``processor.drain_timeout`` at most."""
    reconnect_to: Address | None = None
    """Where clients are told to go, as ``host:port``; without it they come back to where they were."""
