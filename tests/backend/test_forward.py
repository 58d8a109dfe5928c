"""What a service gets of a BUSINESS message, against the protobuf runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from quicgw_fast import backend
from quicgw_fast.proto.client_pb2 import BusinessRequest
from quicgw_fast.proto.service_pb2 import UpstreamRequest

from .conftest import CALM, MAKERS

if TYPE_CHECKING:
    from types import ModuleType

string = st.text(st.characters(codec="utf-8"), max_size=150)
strings = st.dictionaries(string, string, max_size=5)
number = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))

ACTION, PARAM, DATA = b"\x0a\x04echo", b"\x12\x06\x0a\x01a\x12\x01b", b"\x1a\x02hi"
pieces = st.lists(st.sampled_from([ACTION, PARAM, DATA, b"\x0a", b"\x12\x02"]))
NOT_ORDINARY = {
    "a second action": ACTION + ACTION,
    "a second data": DATA + DATA,
    "an unknown field": b"\x22\x01a",
    "a number": b"\x20\x01",
    "a known field as a number": b"\x08\x01",
    "a tag of two bytes": b"\x8a\x00\x01a",
    "a length of six bytes": b"\x0a\x81\x80\x80\x80\x80\x00a",
    "a second key": b"\x12\x06\x0a\x01a\x0a\x01b",
    "a second value": b"\x12\x06\x12\x01a\x12\x01b",
    "an unknown field in a parameter": b"\x12\x03\x1a\x01a",
    "an action that is not UTF-8": b"\x0a\x01\xff",
    "a surrogate": b"\x0a\x03\xed\xa0\x80",
    "a key that is not UTF-8": b"\x12\x03\x0a\x01\xff",
    "a value that is not UTF-8": b"\x12\x03\x12\x01\xff",
    "a tag alone": b"\x0a",
    "a length that is not complete": b"\x0a\x80",
    "less than its length": b"\x0a\x05echo",
    "a parameter with less than its length": b"\x12\x03\x0a\x02a",
}


def by_protobuf(payload: bytes, **fields: object) -> UpstreamRequest:
    """What the runtime makes of the same."""
    business = BusinessRequest.FromString(payload)
    return UpstreamRequest(action=business.action, params=business.params, data=business.data, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("maker", MAKERS)
@CALM
@given(action=string, params=strings, data=st.binary(max_size=300), headers=strings, seq=number, who=string)
@example(action="", params={}, data=b"", headers={}, seq=0, who="")
@example(
    action="a" * 128, params={"": ""}, data=b"d" * 70_000, headers={"": "", "k": "v" * 200}, seq=2**64 - 1, who="ä"
)
def test_it_says_what_protobuf_says(
    maker: str, action: str, params: dict[str, str], data: bytes, headers: dict[str, str], seq: int, who: str
) -> None:
    payload = BusinessRequest(action=action, params=params, data=data).SerializeToString()
    made = backend.load(maker).forward("id", who, seq, payload, headers, b"")
    assert (made.session_id, made.openid, made.action, made.client_seq_id) == ("id", who, action, seq)
    assert made.entries == len(params) + len(headers)
    expected = by_protobuf(payload, session_id="id", openid=who, client_seq_id=seq, headers=headers)
    assert UpstreamRequest.FromString(made.SerializeToString()) == expected
    assert len(made.SerializeToString()) == expected.ByteSize()


@CALM
@given(payload=st.one_of(st.binary(max_size=40), pieces.map(b"".join)))
def test_whatever_bytes_come_the_makers_agree_and_never_take_what_is_not_valid(payload: bytes) -> None:
    made = [backend.load(maker).forward("s", "o", 7, payload, {}, b"") for maker in MAKERS]
    assert len({None if one is None else (one.action, one.entries, one.SerializeToString()) for one in made}) == 1
    if made[0] is not None:
        expected = by_protobuf(payload, session_id="s", openid="o", client_seq_id=7)
        assert UpstreamRequest.FromString(made[0].SerializeToString()) == expected


@pytest.mark.parametrize("payload", NOT_ORDINARY.values(), ids=NOT_ORDINARY)
def test_what_is_not_ordinary_is_left_to_others(engine: ModuleType, payload: bytes) -> None:
    assert engine.forward("s", "o", 1, payload, {}, b"") is None


@pytest.mark.parametrize("payload", NOT_ORDINARY.values(), ids=NOT_ORDINARY)
def test_what_protobuf_writes_of_it_is_ordinary(engine: ModuleType, payload: bytes) -> None:
    try:
        business = BusinessRequest.FromString(payload)
    except DecodeError:
        return
    business.DiscardUnknownFields()
    assert engine.forward("s", "o", 1, business.SerializeToString(), {}, b"").action == business.action


def test_a_parameter_that_comes_twice_goes_on_twice_and_the_last_one_counts(engine: ModuleType) -> None:
    made = engine.forward("s", "o", 1, PARAM + b"\x12\x06\x0a\x01a\x12\x01c", {}, b"")
    assert made.entries == 2
    assert UpstreamRequest.FromString(made.SerializeToString()).params == {"a": "c"}


def test_a_parameter_may_lack_its_key_or_value(engine: ModuleType) -> None:
    made = engine.forward("s", "o", 1, b"\x12\x03\x0a\x01a\x12\x03\x12\x01b", {}, b"")
    assert UpstreamRequest.FromString(made.SerializeToString()).params == {"a": "", "": "b"}


def test_the_headers_of_a_parsed_message_will_do(engine: ModuleType) -> None:
    headers = UpstreamRequest(headers={"b": "2", "a": "1"}).headers
    made = engine.forward("s", "o", 1, ACTION, headers, b"")
    assert UpstreamRequest.FromString(made.SerializeToString()).headers == {"a": "1", "b": "2"}


def test_headers_of_the_gateway_come_last_and_count(engine: ModuleType) -> None:
    own = UpstreamRequest(headers={"gateway": "127.0.0.1:8092"}).SerializeToString()
    made = engine.forward("s", "o", 7, ACTION + DATA, {"gateway": "somebody else's", "k": "v"}, own)
    told = UpstreamRequest.FromString(made.SerializeToString())
    assert told == by_protobuf(
        ACTION + DATA,
        session_id="s",
        openid="o",
        client_seq_id=7,
        headers={"gateway": "127.0.0.1:8092", "k": "v"},
    )


def test_nobody_else_makes_one(engine: ModuleType) -> None:
    with pytest.raises(TypeError):
        engine.ForwardedRequest()
    with pytest.raises(AttributeError):
        engine.forward("s", "o", 1, ACTION, {}, b"").action = "other"


def test_arguments_of_a_wrong_type_are_refused(engine: ModuleType) -> None:
    for arguments in (
        (1, "o", 1, ACTION, {}, b""),
        ("s", 1, 1, ACTION, {}, b""),
        ("s", "o", "1", ACTION, {}, b""),
        ("s", "o", 1, "text", {}, b""),
        ("s", "o", 1, ACTION, {"a": 1}, b""),
        ("s", "o", 1, ACTION, {}, "text"),
    ):
        with pytest.raises(TypeError):
            engine.forward(*arguments)
    with pytest.raises(OverflowError):
        engine.forward("s", "o", 2**64, ACTION, {}, b"")
