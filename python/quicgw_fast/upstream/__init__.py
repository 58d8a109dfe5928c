"""Upstream services: which one a request goes to, which instance of it, and the call itself."""

from quicgw_fast.upstream.address import parse_address
from quicgw_fast.upstream.assembly import Upstream, assemble_upstream
from quicgw_fast.upstream.caller import BalancingCaller
from quicgw_fast.upstream.choice import Choice
from quicgw_fast.upstream.directory import Directory, DirectoryListener
from quicgw_fast.upstream.errors import (
    AnswerTooLarge,
    GatewayCallFailed,
    NoInstance,
    RegisterRefused,
    UpstreamBusy,
    UpstreamCallError,
    UpstreamFailed,
    UpstreamTimeout,
)
from quicgw_fast.upstream.instance import Instance
from quicgw_fast.upstream.routing import SERVICES, ZONES, RoutingMode, ServiceMode, ZoneMode, make_mode, zone_of

__all__ = [
    "SERVICES",
    "ZONES",
    "AnswerTooLarge",
    "BalancingCaller",
    "Choice",
    "Directory",
    "DirectoryListener",
    "GatewayCallFailed",
    "Instance",
    "NoInstance",
    "RegisterRefused",
    "RoutingMode",
    "ServiceMode",
    "Upstream",
    "UpstreamBusy",
    "UpstreamCallError",
    "UpstreamFailed",
    "UpstreamTimeout",
    "ZoneMode",
    "assemble_upstream",
    "make_mode",
    "parse_address",
    "zone_of",
]
