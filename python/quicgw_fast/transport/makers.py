"""The makers of QUIC, by name: the one place that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from quicgw_fast import makers

if TYPE_CHECKING:
    from quicgw_fast.transport.seam import TransportMaker

DEFAULT: Final = "aioquic"
MAKERS: Final = {"aioquic": "quicgw_fast.transport.aioquic", "quinn": "quicgw_fast.transport.quinn"}


def load(name: str) -> TransportMaker:
    """Return the maker of that name, imported now and not before; raises ConfigError for an unknown one."""
    return cast("TransportMaker", makers.load("the transport", MAKERS, name))
