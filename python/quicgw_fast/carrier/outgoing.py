"""Encode the few messages that carry no number; the outbox alone encodes the numbered ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.proto.client_pb2 import ServerPush

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.codes import PushType


LENGTH_PREFIX = 4


def unnumbered(msg_id: int, push_type: PushType, payload: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a framed ServerPush with ``seq_id`` 0: four bytes of length, then the message."""
    push = ServerPush(msg_id=msg_id, type=push_type.value, payload=payload, headers=headers)  # type: ignore[arg-type]
    body = push.SerializeToString()
    return len(body).to_bytes(LENGTH_PREFIX, "big") + body
