"""Upstream calls over grpc.aio: the one place that knows the client side of gRPC."""

from typing import Final

from quicgw_fast.upstream.grpcio.channel import GrpcChannel

NAME: Final = "grpcio"
open_channel = GrpcChannel

__all__ = ["NAME", "open_channel"]
