"""What a gateway that is tested is made of: the makers of its engine, of QUIC and of calls to services, by name."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

import pytest

ENDS: Final = {
    "plain": ("aioquic", "grpcio"),
    "fast": ("quinn", "native"),
    "quinn": ("quinn", "grpcio"),
    "native": ("aioquic", "native"),
}
"""Makers of the transport and of the upstream client, by the name of the pair."""
EVERY_PAIR: Final = os.environ.get("TEST_MATRIX") == "1"
"""Whether the tests of whole gateways and of clients run on all combinations, and not on the first two pairs alone."""


class Parts(NamedTuple):
    """What a gateway is made of."""

    engine: str = "rust"
    transport: str = "aioquic"
    client: str = "grpcio"

    @property
    def tables(self) -> dict[str, dict[str, str]]:
        """The tables of a configuration that choose the ends."""
        return {"server": {"transport": self.transport}, "upstream": {"client": self.client}}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that choose everything for a process."""
        return {
            "QUICGW_BACKEND": self.engine,
            "QUICGW_SERVER__TRANSPORT": self.transport,
            "QUICGW_UPSTREAM__CLIENT": self.client,
        }


PAIRS: Final = list(ENDS) if EVERY_PAIR else ["plain", "fast"]
GATEWAYS: Final = {**{name: Parts("rust", *ENDS[name]) for name in PAIRS}, "python": Parts("python", *ENDS["plain"])}
"""The gateways that tests run on, by the names that they have there."""
WHICHEVER_ENGINE: Final = pytest.mark.parametrize(
    "parts", [name for name in GATEWAYS if EVERY_PAIR or name != "python"], indirect=True
)
"""Marks tests of a process and its ends, which take long and to which its engine makes no difference."""


class Ends(NamedTuple):
    """Both ends of a connection."""

    client: str
    """Who does QUIC for the client."""
    gateway: Parts


_BOTH: Final = {name: Ends(ENDS[name][0], Parts("rust", *ENDS[name])) for name in ("plain", "fast")}
_CROSSED: Final = {
    "fast client": Ends(_BOTH["fast"].client, _BOTH["plain"].gateway),
    "fast gateway": Ends(_BOTH["plain"].client, _BOTH["fast"].gateway),
}
CONNECTIONS: Final = _BOTH | _CROSSED if EVERY_PAIR else _BOTH
"""Between whom tests of the client run, by the names that they have there."""
