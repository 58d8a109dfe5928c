"""The routing modes, by their name in the configuration: the one place that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.errors import SettingErrors
from quicgw_fast.upstream.routing.by_action import ServiceMode
from quicgw_fast.upstream.routing.by_openid import ZoneMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.config import RoutingConfig
    from quicgw_fast.upstream.routing.mode import RoutingMode

MODES: Final[Mapping[str, type[RoutingMode]]] = {"service": ServiceMode, "zone": ZoneMode}


def make_mode(config: RoutingConfig) -> RoutingMode:
    """Return the configured mode. Raises SettingErrors naming all entries that cannot be used.

    Entries of the other modes are checked as well: who writes them means to use them one day.
    """
    if wrong := [error for mode in MODES.values() for error in mode.mistakes(config)]:
        raise SettingErrors(wrong)
    return MODES[config.mode](config)
