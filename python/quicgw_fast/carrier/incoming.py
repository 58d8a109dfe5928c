"""Parse the envelope of a message; its payload is parsed by whoever answers it."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import ProtocolError
from quicgw_fast.proto.client_pb2 import ClientRequest


def parse_envelope(body: bytes) -> ClientRequest:
    """Parse one message of the stream; ProtocolError 400, which ends the connection, when it is not a ClientRequest."""
    try:
        return ClientRequest.FromString(body)
    except DecodeError as error:
        raise ProtocolError(
            ErrorCode.BAD_REQUEST,
            "unparsable message",
            f"{len(body)} bytes are not a valid ClientRequest; check framing and encoding",
        ) from error
