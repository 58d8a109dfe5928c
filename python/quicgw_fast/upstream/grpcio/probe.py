"""One question to a service that nobody calls yet: is it there, and is it one of ours?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc

from quicgw_fast.proto.service_pb2 import StatusRequest, StatusResponse
from quicgw_fast.proto.service_pb2_grpc import UpstreamServiceStub
from quicgw_fast.upstream.address import parse_address
from quicgw_fast.upstream.causes import NO_ANSWER, NO_SERVICE
from quicgw_fast.upstream.grpcio.causes import cause_of
from quicgw_fast.upstream.grpcio.channel import DIALLING, target_of


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """What a service at an address said of itself."""

    reached: bool
    """Whether a gRPC server is there."""
    said: str
    """The status that it names, or why there is none: a sentence of ``upstream.causes``."""


async def ask_status(address: str, service: str, timeout: float) -> ServiceSeen:
    """Call GetStatus of the service at ``address``, within ``timeout`` seconds."""
    async with grpc.aio.insecure_channel(target_of(parse_address(address)), DIALLING) as channel:
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
            return ServiceSeen(False, cause_of(error.code(), error.details()))
    return ServiceSeen(True, answer.status or "no status")
