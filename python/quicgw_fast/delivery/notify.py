"""Build a notify of protocol §4 from what a service pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import OK, PushType

if TYPE_CHECKING:
    from quicgw_fast.backend.engine import EncodeBody
    from quicgw_fast.proto.service_pb2 import BroadcastRequest, GroupPushRequest, UnicastPushRequest


def notify_body(
    push: UnicastPushRequest | BroadcastRequest | GroupPushRequest,
    encode: EncodeBody,
    extra: dict[str, str] | None = None,
) -> bytes:
    """Encode the notify without its number; ``encode`` is the engine's ``encode_body``.

    ``extra`` headers come on top of the push's metadata. Raises the engine's FrameTooLarge.
    """
    headers = {
        **push.metadata,
        **(extra or {}),
        "notify-type": push.msg_type,
        "notify-title": push.title,
        "notify-content": push.content,
    }
    data = push.data or push.content.encode()
    return encode(PushType.BUSINESS_DATA, OK, f"[{push.msg_type}] {push.title}", data, headers)
