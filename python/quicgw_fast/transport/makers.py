"""The makers of QUIC, by name: the one place that knows them all."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from quicgw_fast.transport.seam import TransportMaker

DEFAULT: Final = "aioquic"
MAKERS: Final = {"aioquic": "quicgw_fast.transport.aioquic"}


def load(name: str) -> TransportMaker:
    """Return the maker of that name, imported now and not before; raises ConfigError for an unknown one."""
    if name not in MAKERS:
        raise ConfigError(f"the transport is {name!r}, but must be one of: {', '.join(MAKERS)}")
    return cast("TransportMaker", importlib.import_module(MAKERS[name]))
