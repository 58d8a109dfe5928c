"""The makers of the placement, by name, that need nothing.

One more is part of a node of a cluster, which is started and stopped (``cluster.node.ClusterNode``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from quicgw_fast import makers

if TYPE_CHECKING:
    from quicgw_fast.placement.seam import PlacementMaker

DEFAULT: Final = "here"
MAKERS: Final = {"here": "quicgw_fast.placement.here"}


def load(name: str) -> PlacementMaker:
    """Return the maker of that name, imported now and not before; raises ConfigError for an unknown one."""
    return cast("PlacementMaker", makers.load("the placement", MAKERS, name))
