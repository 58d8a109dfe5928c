"""Upstream services: which one a request goes to, which instance of it, and the call itself."""

from quicgw_fast.upstream.caller import GrpcCaller, UpstreamCaller
from quicgw_fast.upstream.directory import Directory, DirectoryListener, Instance, parse_address
from quicgw_fast.upstream.errors import (
    AnswerTooLarge,
    GatewayCallFailed,
    NoInstance,
    RegisterRefused,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamTimeout,
)
from quicgw_fast.upstream.gateway_client import GatewayClient
from quicgw_fast.upstream.own import OwnAddresses
from quicgw_fast.upstream.registration import Registration
from quicgw_fast.upstream.routing import SERVICES, ZONES, RoutingTable, zone_of

__all__ = [
    "SERVICES",
    "ZONES",
    "AnswerTooLarge",
    "Directory",
    "DirectoryListener",
    "GatewayCallFailed",
    "GatewayClient",
    "GrpcCaller",
    "Instance",
    "NoInstance",
    "OwnAddresses",
    "RegisterRefused",
    "Registration",
    "RoutingTable",
    "UpstreamBusy",
    "UpstreamCaller",
    "UpstreamError",
    "UpstreamFailed",
    "UpstreamTimeout",
    "parse_address",
    "zone_of",
]
