"""Upstream services: which one a request goes to, which instance of it, and the call itself."""

from quicgw_fast.upstream.caller import BalancingCaller, UpstreamCaller
from quicgw_fast.upstream.directory import Directory, DirectoryListener, Instance, parse_address
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
from quicgw_fast.upstream.grpcio.gateway_client import GatewayClient
from quicgw_fast.upstream.own import OwnAddresses
from quicgw_fast.upstream.registration import Registration
from quicgw_fast.upstream.routing import SERVICES, ZONES, RoutingMode, ServiceMode, ZoneMode, make_mode, zone_of

__all__ = [
    "SERVICES",
    "ZONES",
    "AnswerTooLarge",
    "BalancingCaller",
    "Directory",
    "DirectoryListener",
    "GatewayCallFailed",
    "GatewayClient",
    "Instance",
    "NoInstance",
    "OwnAddresses",
    "RegisterRefused",
    "Registration",
    "RoutingMode",
    "ServiceMode",
    "UpstreamBusy",
    "UpstreamCallError",
    "UpstreamCaller",
    "UpstreamFailed",
    "UpstreamTimeout",
    "ZoneMode",
    "make_mode",
    "parse_address",
    "zone_of",
]
