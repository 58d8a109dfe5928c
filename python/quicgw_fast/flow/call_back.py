"""Where services find the gateway that called them: the header ``gateway`` of every UpstreamRequest (protocol §3).

A push that belongs to a request has to go to the gateway that has its session. Only that gateway knows under which
address services reach it, so it says so with each request. The header is always there, empty where the gateway does not
know: it stands behind those of the client, of which one with the same name would be believed otherwise.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from quicgw_fast.addresses import join_address
from quicgw_fast.config import split_address
from quicgw_fast.proto.service_pb2 import UpstreamRequest

GATEWAY: Final = "gateway"
"""The name of the header."""


class CallBack:
    """The header as it is added to each request, encoded once."""

    def __init__(self) -> None:
        """Nothing is known before the gateway listens, and nobody is called before that."""
        self.header = b""
        self.be_at("")

    def be_at(self, address: str) -> None:
        """Tell services this address from now on, ``host:port`` or nothing."""
        self.header = UpstreamRequest(headers={GATEWAY: address}).SerializeToString()


def told_address(advertised: str | None, host: str, port: int) -> str:
    """The address that services are told, where ``host`` and ``port`` are what the gRPC port is bound to.

    ``advertised`` goes before it, with the port that is bound if its own is 0. Empty where only a wildcard is known:
    which of the machine's addresses and names others can reach cannot be known from here.
    """
    if advertised is not None:
        name, own_port = split_address(advertised)
        return join_address(name, own_port or port)
    return "" if _is_wildcard(host) else join_address(host, port)


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
