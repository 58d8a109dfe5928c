"""What a notify is made of, read back with protobuf (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast import backend
from quicgw_fast.backend import FrameTooLarge
from quicgw_fast.delivery import notify_body
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import BroadcastRequest, UnicastPushRequest

if TYPE_CHECKING:
    from types import ModuleType


def read(body: bytes) -> tuple[pb.ServerPush, pb.BusinessResponse]:
    push = pb.ServerPush.FromString(body)
    return push, pb.BusinessResponse.FromString(push.payload)


@pytest.mark.parametrize("kind", [UnicastPushRequest, BroadcastRequest])
def test_a_notify(engine: ModuleType, kind: type[UnicastPushRequest | BroadcastRequest]) -> None:
    request = kind(msg_type="system", title="Wartung", content="um 5 Uhr ☕", metadata={"k": "v"})
    push, response = read(notify_body(request, engine.encode_body))
    assert (push.msg_id, push.seq_id, push.type) == (0, 0, pb.PUSH_BUSINESS_DATA)
    assert response == pb.BusinessResponse(code=200, message="[system] Wartung", data="um 5 Uhr ☕".encode())
    assert dict(push.headers) == {
        "k": "v",
        "notify-type": "system",
        "notify-title": "Wartung",
        "notify-content": "um 5 Uhr ☕",
    }


def test_data_goes_before_content(engine: ModuleType) -> None:
    request = UnicastPushRequest(msg_type="t", content="text", data=b"\x00\xff")
    push, response = read(notify_body(request, engine.encode_body))
    assert response.data == b"\x00\xff"
    assert push.headers["notify-content"] == "text"


def test_an_empty_push_is_a_notify_too(engine: ModuleType) -> None:
    push, response = read(notify_body(UnicastPushRequest(), engine.encode_body))
    assert response == pb.BusinessResponse(code=200, message="[] ")
    assert dict(push.headers) == {"notify-type": "", "notify-title": "", "notify-content": ""}


def test_the_push_itself_goes_before_its_metadata(engine: ModuleType) -> None:
    request = UnicastPushRequest(msg_type="true", metadata={"notify-type": "false", "offline-id": "mine"})
    push, _ = read(notify_body(request, engine.encode_body, {"offline-id": "ours"}))
    assert push.headers["notify-type"] == "true"
    assert push.headers["offline-id"] == "ours"


def test_a_notify_that_could_not_be_framed_is_refused(engine: ModuleType) -> None:
    with pytest.raises(FrameTooLarge):
        notify_body(UnicastPushRequest(data=b"x" * (1 << 20)), engine.encode_body)


def test_both_engines_write_the_same_bytes() -> None:
    request = UnicastPushRequest(msg_type="t", title="ü", content="c", metadata={"b": "2", "a": "1", "c": ""})
    made = {notify_body(request, backend.load(name).encode_body) for name in ("rust", "python")}
    assert len(made) == 1
