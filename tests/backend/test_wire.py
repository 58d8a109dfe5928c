"""encode_body against the protobuf runtime."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.backend import FrameTooLarge
from quicgw_fast.proto import client_pb2, service_pb2

from .conftest import CALM, MAKERS

if TYPE_CHECKING:
    from types import ModuleType

int32 = st.one_of(st.integers(-3, 300), st.integers(-(2**31), 2**31 - 1))
string = st.text(st.characters(codec="utf-8"), max_size=150)
headers_ = st.dictionaries(string, string, max_size=5)


def by_protobuf(push_type: int, code: int, message: str, data: bytes, headers: dict[str, str]) -> bytes:
    """Encode the same with the runtime, header by header, because the order of a map's entries is its own affair."""
    payload = client_pb2.BusinessResponse(code=code, message=message, data=data)
    push = client_pb2.ServerPush(type=push_type, payload=payload.SerializeToString())  # type: ignore[arg-type]
    entries = [client_pb2.ServerPush(headers={key: headers[key]}) for key in sorted(headers)]
    return b"".join(part.SerializeToString() for part in (push, *entries))


@pytest.mark.parametrize("maker", MAKERS)
@CALM
@given(push_type=int32, code=int32, message=string, data=st.binary(max_size=300), headers=headers_)
@example(push_type=0, code=0, message="", data=b"", headers={})
@example(push_type=3, code=-1, message="", data=b"", headers={"": ""})
@example(push_type=3, code=200, message="m" * 127, data=b"d" * 128, headers={"b": "", "a": "x" * 20000})
def test_it_is_what_protobuf_encodes(
    maker: str, push_type: int, code: int, message: str, data: bytes, headers: dict[str, str]
) -> None:
    encoded = backend.load(maker).encode_body(push_type, code, message, data, headers)
    assert encoded == by_protobuf(push_type, code, message, data, headers)
    assert client_pb2.ServerPush.FromString(encoded).headers == headers


def test_an_error_message_has_the_same_shape(engine: ModuleType) -> None:
    encoded = engine.encode_body(4, 503, "busy", "später".encode(), {"retry-after-ms": "50"})
    push = client_pb2.ServerPush.FromString(encoded)
    error = client_pb2.ErrorMessage.FromString(push.payload)
    assert (error.error_code, error.error_message, error.detail) == (503, "busy", "später")
    assert push.headers == {"retry-after-ms": "50"}


def test_headers_go_in_the_order_of_their_bytes(engine: ModuleType) -> None:
    keys = ["z", "a", "ä", "Z", "", "\U0001f600", "\uffff", "aa"]
    encoded = engine.encode_body(0, 0, "", b"", dict.fromkeys(keys, ""))
    assert encoded == b"".join(
        b"\x2a" + bytes([len(key) + 4]) + b"\x0a" + bytes([len(key)]) + key + b"\x12\x00"
        for key in sorted(key.encode() for key in keys)
    )


def test_any_mapping_will_do(engine: ModuleType) -> None:
    class OneTwo(UserDict[str, str]):
        pass

    plain = {"b": "2", "a": "1"}
    expected = engine.encode_body(3, 0, "", b"", plain)
    container = service_pb2.UpstreamResponse(headers=plain).headers
    for mapping in (container, MappingProxyType(plain), OneTwo(plain), type("Sub", (dict,), {})(plain)):
        assert engine.encode_body(3, 0, "", b"", mapping) == expected


def test_large_parts(engine: ModuleType) -> None:
    data = bytes(300_000)
    encoded = engine.encode_body(3, 1, "", data, {"h": "v" * 70_000})
    assert encoded == by_protobuf(3, 1, "", data, {"h": "v" * 70_000})


def test_the_limit_leaves_room_for_the_largest_head(engine: ModuleType) -> None:
    body = engine.encode_body(3, 0, "x" * 50, b"", {})
    assert engine.encode_body(3, 0, "x" * 50, b"", {}, len(body) + 22) == body
    with pytest.raises(FrameTooLarge) as caught:
        engine.encode_body(3, 0, "x" * 50, b"", {}, limit=len(body) + 21)
    assert (caught.value.length, caught.value.limit) == (len(body) + 22, len(body) + 21)
    assert caught.value.messages == []


def test_the_default_limit_is_one_mebibyte(engine: ModuleType) -> None:
    with pytest.raises(FrameTooLarge) as caught:
        engine.encode_body(3, 0, "", bytes(2**20), {})
    assert caught.value.limit == 2**20
    assert engine.encode_body(3, 0, "", bytes(2**20), {}, 2**40)
