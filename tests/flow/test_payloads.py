"""What a message carries, by its type, in both numberings of START that clients were built with (protocol §1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.errors import RequestError
from quicgw_fast.flow.payloads import parse_payload, parse_start
from quicgw_fast.proto import client_pb2 as pb


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for kind in (pb.BusinessRequest, pb.ClientAck, pb.HeartbeatRequest, pb.StopRequest):
        try:
            parse_payload(kind, body)
        except RequestError as error:
            assert error.code == 400
    try:
        parse_start(body)
    except RequestError as error:
        assert error.code == 400


def test_a_payload_is_read() -> None:
    business = pb.BusinessRequest(action="a", params={"p": "q"}, data=b"d")
    assert parse_payload(pb.BusinessRequest, business.SerializeToString()) == business


def test_what_is_no_payload_is_a_request_error_that_names_what_was_expected() -> None:
    with pytest.raises(RequestError) as caught:
        parse_payload(pb.ClientAck, b"\xff\xff")
    assert caught.value.code == 400
    assert "2 bytes are not a valid ClientAck" in caught.value.detail


# START, in both numberings that clients were built with


def test_a_start_by_the_protocol() -> None:
    start = pb.StartRequest(openid="o", auth_token="t", last_acked_seq_id=1 << 62, session_id="s", epoch="e")
    assert parse_start(start.SerializeToString()) == start


def test_a_start_of_an_older_client() -> None:
    payload = b"\x0a\x01o" + b"\x1a\x05token" + b"\x20" + varint(300)
    start = parse_start(payload)
    assert (start.openid, start.auth_token, start.last_acked_seq_id) == ("o", "token", 300)
    assert (start.session_id, start.epoch) == ("", "")


def test_an_older_client_without_token_or_number() -> None:
    start = parse_start(b"\x0a\x01o")
    assert (start.openid, start.auth_token, start.last_acked_seq_id) == ("o", "", 0)


@pytest.mark.parametrize("number", [1, 127, 128, 1 << 32, (1 << 64) - 1])
def test_numbers_of_both_kinds_of_client_are_whole(number: int) -> None:
    assert parse_start(pb.StartRequest(last_acked_seq_id=number).SerializeToString()).last_acked_seq_id == number
    assert parse_start(b"\x20" + varint(number)).last_acked_seq_id == number


def test_an_older_clients_token_must_be_text() -> None:
    with pytest.raises(RequestError) as caught:
        parse_start(b"\x1a\x01\xff")
    assert caught.value.code == 400


def test_other_fields_that_nobody_knows_change_nothing() -> None:
    start = parse_start(
        pb.StartRequest(openid="o", last_acked_seq_id=3).SerializeToString() + b"\xf2\x06\x03new\x78\x05"
    )
    assert (start.openid, start.last_acked_seq_id, start.auth_token, start.session_id) == ("o", 3, "", "")
