"""Parse the payload that the type of a message promises, whichever carrier brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from google.protobuf.internal.wire_format import WIRETYPE_LENGTH_DELIMITED, WIRETYPE_VARINT
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.proto.client_pb2 import StartRequest

if TYPE_CHECKING:
    from google.protobuf.message import Message

Payload = TypeVar("Payload", bound="Message")

OLD_AUTH_TOKEN, OLD_LAST_ACKED = 3, 4
"""Field numbers of StartRequest in older clients, see ``parse_start``."""


def parse_payload(kind: type[Payload], payload: bytes) -> Payload:
    """Parse a request's payload as ``kind``; RequestError 400 when it is not a valid one."""
    try:
        return kind.FromString(payload)
    except DecodeError as error:
        raise RequestError(
            ErrorCode.BAD_REQUEST, "unparsable payload", f"{len(payload)} bytes are not a valid {kind.DESCRIPTOR.name}"
        ) from error


def parse_start(payload: bytes) -> StartRequest:
    """Parse a StartRequest; RequestError 400 when it is not a valid one.

    Clients were built with two numberings of it: the one of protocol §1, and an older one that has ``auth_token`` as 3
    and ``last_acked_seq_id`` as 4. On the wire the two cannot be confused, as a string and an integer are encoded with
    different wire types: what is of the other type stays behind as an unknown field, and is taken from there.
    """
    start = parse_payload(StartRequest, payload)
    unknown = UnknownFieldSet(start)
    for field in (unknown[index] for index in range(len(unknown))):
        if field.field_number == OLD_AUTH_TOKEN and field.wire_type == WIRETYPE_LENGTH_DELIMITED:
            try:
                start.auth_token = field.data.decode()
            except UnicodeDecodeError as error:
                raise RequestError(
                    ErrorCode.BAD_REQUEST, "unparsable payload", "auth_token is not valid UTF-8"
                ) from error
        elif field.field_number == OLD_LAST_ACKED and field.wire_type == WIRETYPE_VARINT:
            start.last_acked_seq_id = field.data
    return start
