"""The makers of upstream calls, by name: the one place that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from quicgw_fast import makers

if TYPE_CHECKING:
    from quicgw_fast.upstream.seam import ChannelMaker

DEFAULT: Final = "grpcio"
MAKERS: Final = {"grpcio": "quicgw_fast.upstream.grpcio", "native": "quicgw_fast.upstream.native"}


def load(name: str) -> ChannelMaker:
    """Return the maker of that name, imported now and not before; raises ConfigError for an unknown one."""
    return cast("ChannelMaker", makers.load("the upstream client", MAKERS, name))
