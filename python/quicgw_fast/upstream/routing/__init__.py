"""Which service a request goes to (protocol §3): one file for each routing mode, and ``modes`` lists them."""

from quicgw_fast.upstream.routing.by_action import SERVICES, ServiceMode
from quicgw_fast.upstream.routing.by_openid import ZONES, ZoneMode, zone_of
from quicgw_fast.upstream.routing.mode import RoutingMode
from quicgw_fast.upstream.routing.modes import MODES, make_mode

__all__ = ["MODES", "SERVICES", "ZONES", "RoutingMode", "ServiceMode", "ZoneMode", "make_mode", "zone_of"]
