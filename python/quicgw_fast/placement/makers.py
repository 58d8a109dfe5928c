"""The makers of the placement, by name: the one place that knows them all."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from quicgw_fast.placement.seam import PlacementMaker

DEFAULT: Final = "here"
MAKERS: Final = {"here": "quicgw_fast.placement.here"}


def load(name: str) -> PlacementMaker:
    """Return the maker of that name, imported now and not before; raises ConfigError for an unknown one."""
    if name not in MAKERS:
        raise ConfigError(f"the placement is {name!r}, but must be one of: {', '.join(MAKERS)}")
    return cast("PlacementMaker", importlib.import_module(MAKERS[name]))
