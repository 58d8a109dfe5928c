"""The one method of services that the gateway calls, and what its answer may be (protocol §3)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.backend.python.wire import encode_body
from quicgw_fast.codes import PushType
from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.upstream.errors import AnswerTooLarge, UpstreamFailed

PROCESS_REQUEST = "/gatesvr.proto.UpstreamService/ProcessRequest"
LARGEST_ANSWER = (1 << 20) + (64 << 10)
"""Bytes that a maker takes: a little over the frame limit, as what is in between is looked at exactly."""

# Bytes of an answer from which on it is looked at: a frame has a few more, and for each header without a value too.
_SURELY_FITS = 1 << 19


def parse_answer(address: str, answer: bytes) -> UpstreamResponse:
    """Return what the service at ``address`` answered.

    Raises UpstreamFailed when it is unreadable and AnswerTooLarge when no frame could carry it.
    """
    try:
        response = UpstreamResponse.FromString(answer)
    except DecodeError as error:
        what = "its answer is not an UpstreamResponse"
        raise UpstreamFailed(f"{address}: {what}", "UNKNOWN", what) from error
    if len(answer) > _SURELY_FITS:
        _check_fits(address, response)
    return response


def _check_fits(address: str, response: UpstreamResponse) -> None:
    try:
        encode_body(PushType.BUSINESS_DATA, response.code, response.message, response.data, response.headers)
    except FrameTooLarge as error:
        raise AnswerTooLarge(address, error.length) from error
