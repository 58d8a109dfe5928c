"""How the gateway is driven from inside: pushes and registration over gRPC, admin pages over HTTP."""

from quicgw_fast.control.access import AccessFiles, ControlAccess, read_access
from quicgw_fast.control.admin import AdminServer
from quicgw_fast.control.advertised import advertised_address
from quicgw_fast.control.doors import Doors
from quicgw_fast.control.group_calls import GroupKeeper, PresenceTeller
from quicgw_fast.control.grpc_server import MOST_BUFFERED, ControlServer, Pusher, Registrar
from quicgw_fast.control.listen import reserved_port
from quicgw_fast.control.pages import (
    Scope,
    cluster_pages,
    config_pages,
    drain_pages,
    group_pages,
    health_pages,
    metrics_pages,
    openapi_pages,
    overload_pages,
    performance_pages,
    profile_pages,
    reload_pages,
    session_pages,
    stats_pages,
    upgrade_pages,
    upstream_pages,
    web_pages,
)
from quicgw_fast.control.refusals import Refusals
from quicgw_fast.control.tokens import first_token

__all__ = [
    "MOST_BUFFERED",
    "AccessFiles",
    "AdminServer",
    "ControlAccess",
    "ControlServer",
    "Doors",
    "GroupKeeper",
    "PresenceTeller",
    "Pusher",
    "Refusals",
    "Registrar",
    "Scope",
    "advertised_address",
    "cluster_pages",
    "config_pages",
    "drain_pages",
    "first_token",
    "group_pages",
    "health_pages",
    "metrics_pages",
    "openapi_pages",
    "overload_pages",
    "performance_pages",
    "profile_pages",
    "read_access",
    "reload_pages",
    "reserved_port",
    "session_pages",
    "stats_pages",
    "upgrade_pages",
    "upstream_pages",
    "web_pages",
]
