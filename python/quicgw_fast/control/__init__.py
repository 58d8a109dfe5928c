"""How the gateway is driven from inside: pushes and registration over gRPC, admin pages over HTTP."""

from quicgw_fast.control.admin import AdminServer
from quicgw_fast.control.grpc_server import ControlServer, Pusher
from quicgw_fast.control.pages import health_pages, reload_pages, stats_pages

__all__ = ["AdminServer", "ControlServer", "Pusher", "health_pages", "reload_pages", "stats_pages"]
