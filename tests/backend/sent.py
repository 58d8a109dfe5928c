"""What a client reads out of the bytes that an outbox gives, by the protobuf runtime and nothing of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.proto import client_pb2

if TYPE_CHECKING:
    from types import ModuleType


@dataclass(frozen=True)
class Sent:
    """One message, its payload read as BusinessResponse (ErrorMessage has the same shape)."""

    seq: int
    msg_id: int
    push_type: int
    code: int
    message: str
    data: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def read(stream: bytes) -> list[Sent]:
    """Decode frames; nothing may be left over."""
    messages = []
    while stream:
        length = int.from_bytes(stream[:4], "big")
        assert len(stream) >= 4 + length
        push = client_pb2.ServerPush.FromString(stream[4 : 4 + length])
        payload = client_pb2.BusinessResponse.FromString(push.payload)
        messages.append(
            Sent(
                push.seq_id,
                push.msg_id,
                push.type,
                payload.code,
                payload.message,
                payload.data,
                dict(push.headers),
            )
        )
        stream = stream[4 + length :]
    return messages


def numbers(stream: bytes) -> list[int]:
    return [message.seq for message in read(stream)]


def texts(stream: bytes) -> list[str]:
    return [message.message for message in read(stream)]


def notify(engine: ModuleType, message: str, data: bytes = b"") -> bytes:
    """Encode a notify that texts() can tell from others."""
    body: bytes = engine.encode_body(3, 200, message, data, {})
    return body


def body_of(size: int) -> bytes:
    """A notify of just so many bytes, 0 or at least 2: its type again and again, which protobuf allows."""
    odd = size % 2
    return b"\x18\x83\x00" * odd + b"\x18\x03" * ((size - 3 * odd) // 2)
