"""One question to a service that nobody calls yet: is it there, and is it one of ours?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.config import join_address, split_address
from quicgw_fast.proto.service_pb2 import StatusRequest, StatusResponse
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
from quicgw_fast.upstream.address import parse_address
from quicgw_fast.upstream.causes import NO_ANSWER, NO_SERVICE
from quicgw_fast.upstream.grpcio.causes import cause_of
from quicgw_fast.upstream.grpcio.channel import DIALLING, target_of

if TYPE_CHECKING:
    from quicgw_fast.upstream.tls import UpstreamTls


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """What a service at an address said of itself."""

    reached: bool
    """Whether a gRPC server is there."""
    said: str
    """The status that it names, or why there is none: a sentence of ``upstream.causes``."""


async def ask_status(address: str, service: str, tls: UpstreamTls | None, timeout: float) -> ServiceSeen:
    """Call GetStatus of the service at ``address``, within ``timeout`` seconds."""
    async with _channel(parse_address(address), tls) as channel:
        try:
            async with asyncio.timeout(timeout):
                call = UpstreamServiceStub(channel).GetStatus(StatusRequest(service_name=service), timeout=timeout)
                answer: StatusResponse = await call
        except TimeoutError:
            return ServiceSeen(False, NO_ANSWER)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return ServiceSeen(True, NO_SERVICE)
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return ServiceSeen(False, NO_ANSWER)
            return ServiceSeen(False, cause_of(error.code(), error.details(), tls=tls is not None))
    return ServiceSeen(True, answer.status or "no status")


def _channel(address: str, tls: UpstreamTls | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target_of(address), DIALLING)
    host, port = split_address(address)
    options = (*DIALLING, ("grpc.default_authority", join_address(tls.server_name or host, port)))
    return grpc.aio.secure_channel(target_of(address), grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert), options)
