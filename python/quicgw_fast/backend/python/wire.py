"""Encoding of ServerPush by hand, so that the engine needs no protobuf runtime (protocol §1).

A message to the client is split where its number stops mattering. The *head* holds the two fields that are
known only when it is sent, ``msg_id`` (1) and ``seq_id`` (2). The *tail* holds the rest: ``type`` (3),
``payload`` (4) and ``headers`` (5). Notifies are kept as tails until they take their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quicgw_fast.backend.constants import HEAD_MAX
from quicgw_fast.backend.errors import FrameTooLarge
from quicgw_fast.backend.python import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

PUSH_ERROR: Final = 4

_ONE_BYTE: Final = [bytes([value]) for value in range(0x80)]


def varint(value: int) -> bytes:
    """Encode a base-128 varint, least significant group first."""
    if value < 0x80:
        return _ONE_BYTE[value]
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def tail(push_type: int, code: int, message: bytes, data: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Encode type, payload and headers; the arguments have been checked, the headers are sorted."""
    fields = []
    if code:
        fields += [b"\x08", varint(code & checks.U64_MAX)]  # a negative int32 goes sign-extended to 64 bits
    if message:
        fields += [b"\x12", varint(len(message)), message]
    if data:
        fields += [b"\x1a", varint(len(data)), data]
    payload = b"".join(fields)

    fields = []
    if push_type:
        fields += [b"\x18", varint(push_type & checks.U64_MAX)]
    if payload:
        fields += [b"\x22", varint(len(payload)), payload]
    fields += entry_fields(b"\x2a", headers)
    return b"".join(fields)


def entry_fields(tag: bytes, entries: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Encode a map of strings: the parts of a field for each of its entries."""
    fields = []
    for key, value in entries:
        entry = b"".join((b"\x0a", varint(len(key)), key, b"\x12", varint(len(value)), value))
        fields += [tag, varint(len(entry)), entry]
    return fields


def check_length(body: bytes, limit: int) -> bytes:
    """Return the tail if the message is within the limit whatever its head will be, else FrameTooLarge."""
    length = len(body) + HEAD_MAX
    if length > limit:
        raise FrameTooLarge(length, limit)
    return body


def frame(msg_id: int, seq: int, body: bytes) -> bytes:
    """Return one message as it goes on the stream: 4-byte big-endian length, head, tail."""
    head = b"\x08" + varint(msg_id) if msg_id else b""
    head += b"\x10" + varint(seq)
    return b"".join(((len(head) + len(body)).to_bytes(4, "big"), head, body))


def body_of(framed: bytes, seq: int) -> bytes:
    """Return the body of what frame() made with msg_id 0."""
    return framed[4 + 1 + len(varint(seq)) :]


def has_number(framed: bytes, seq: int, *, bare: bool) -> bool:
    """Whether it is a frame of that number; bare: with msg_id 0."""
    at = 4
    if not bare and framed[at : at + 1] == b"\x08":
        at += 1
        while framed[at : at + 1] >= b"\x80":
            at += 1
        at += 1
    return framed.startswith(b"\x10" + varint(seq), at)


def encode_body(
    push_type: int, code: int, message: str, data: bytes, headers: Mapping[str, str], limit: int = 1048576
) -> bytes:
    """Encode type, payload and headers of a message to the client (fields 3, 4 and 5 of ServerPush).

    The payload is {1: int32 code, 2: string message, 3: bytes data}, the shape that BusinessResponse and
    ErrorMessage share. Headers go sorted by key; fields that have their default are left out. limit: bytes of
    the whole message. Raises FrameTooLarge if it could become longer than that with the largest numbers at
    its head.
    """
    encoded = tail(
        checks.i32(push_type),
        checks.i32(code),
        checks.text(message),
        checks.octets(data),
        checks.headers(headers),
    )
    return check_length(encoded, checks.u64(limit))
