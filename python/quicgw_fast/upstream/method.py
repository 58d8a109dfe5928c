"""The methods of services that the gateway calls: the one of protocol §3, and a health check."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from quicgw_fast.backend import FrameTooLarge, encode_body
from quicgw_fast.codes import PushType
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.upstream.errors import AnswerTooLarge, UpstreamFailed

PROCESS_REQUEST = "/gatesvr.proto.UpstreamService/ProcessRequest"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
"""A call that is made to see whether somebody answers; it does not matter what, nor whether it can be answered."""
LARGEST_ANSWER = (1 << 20) + (64 << 10)
"""Bytes that a maker takes: a little over the frame limit, as whether a size in between fits looked at."""
SURELY_FITS: Final = 1 << 19
"""Bytes of an answer up to which a frame takes it: it needs a few more, and some for each header without a value."""


def parse_answer(address: str, answer: bytes) -> UpstreamResponse:
    """Return what the service at ``address`` answered.

    Raises UpstreamFailed when it is unreadable, and AnswerTooLarge when no frame could carry it (protocol §3).
    """
    try:
        response = UpstreamResponse.FromString(answer)
    except DecodeError as error:
        what = "its answer is not an UpstreamResponse"
        raise UpstreamFailed(f"{address}: {what}", "UNKNOWN", what) from error
    if len(answer) > SURELY_FITS and (size := _size_over_a_frame(response)):
        # Whoever keeps the error for a while keeps this frame with it, and must not keep megabytes.
        del response, answer
        raise AnswerTooLarge(address, size)
    return response


def _size_over_a_frame(response: UpstreamResponse) -> int:
    """The bytes of the answer to the client if no frame can carry it, else 0."""
    try:
        encode_body(PushType.BUSINESS_DATA, response.code, response.message, response.data, response.headers)
    except FrameTooLarge as error:
        return error.length
    return 0
