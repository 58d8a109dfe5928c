"""The one method of services that the gateway calls (protocol §3)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from quicgw_fast.proto.service_pb2 import UpstreamResponse
from quicgw_fast.upstream.errors import UpstreamFailed

PROCESS_REQUEST = "/gatesvr.proto.UpstreamService/ProcessRequest"
LARGEST_ANSWER = (1 << 20) + (64 << 10)
"""Bytes that a maker takes: a little over the frame limit, as whether a size in between fits is the caller's to say."""


def parse_answer(address: str, answer: bytes) -> UpstreamResponse:
    """Return what the service at ``address`` answered; raises UpstreamFailed when it is unreadable."""
    try:
        return UpstreamResponse.FromString(answer)
    except DecodeError as error:
        what = "its answer is not an UpstreamResponse"
        raise UpstreamFailed(f"{address}: {what}", "UNKNOWN", what) from error
