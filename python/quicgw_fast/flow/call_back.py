"""Where services find the gateway that called them: the header ``gateway`` of every UpstreamRequest (protocol §3).

A push that belongs to a request has to go to the gateway that has its session. Only that gateway knows under which
address services reach it, so it says so with each request. The header is always there, empty where the gateway does not
know: it stands behind those of the client, of which one with the same name would be believed otherwise.
"""

from __future__ import annotations

from typing import Final

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
