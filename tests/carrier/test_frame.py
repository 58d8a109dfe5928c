"""Envelopes and payloads in, unnumbered messages out (protocol §1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.carrier import parse_envelope, parse_payload, parse_start, unnumbered
from quicgw_fast.codes import PushType, RequestType
from quicgw_fast.errors import ProtocolError, RequestError
from quicgw_fast.proto import client_pb2 as pb

BROKEN = [b"\xff", b"\x0a\x05ab", b"\x08", b"\x22\xff\xff\xff\xff\x0f", b"\x32\x01\xff"]
"""No tag, a short string, no value, a length past the end, an openid that is no UTF-8."""


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


# Envelopes


def test_an_envelope_is_read() -> None:
    request = pb.ClientRequest(
        msg_id=7, seq_id=1 << 63, type=pb.REQUEST_BUSINESS, payload=b"p", headers={"k": "v"}, openid="o"
    )
    assert parse_envelope(request.SerializeToString()) == request


def test_an_empty_message_is_an_envelope_without_anything() -> None:
    assert parse_envelope(b"") == pb.ClientRequest()


def test_fields_of_newer_clients_are_passed_over() -> None:
    body = pb.ClientRequest(msg_id=7).SerializeToString() + b"\xf2\x06\x03new"
    assert parse_envelope(body).msg_id == 7


def test_a_type_of_newer_clients_keeps_its_number() -> None:
    assert parse_envelope(b"\x18\x63").type == 99


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_envelope_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_envelope(body)
    assert (caught.value.code, caught.value.msg_id) == (400, 0)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        parse_envelope(body)
    except ProtocolError as error:
        assert error.code == 400
    for kind in (pb.BusinessRequest, pb.ClientAck, pb.HeartbeatRequest, pb.StopRequest):
        try:
            parse_payload(kind, body)
        except RequestError as error:
            assert error.code == 400
    try:
        parse_start(body)
    except RequestError as error:
        assert error.code == 400


def test_the_numbers_of_types_are_those_of_the_wire() -> None:
    for kind in RequestType:
        assert pb.RequestType.Name(kind) == f"REQUEST_{kind.name}"
    for push in PushType:
        assert pb.PushType.Name(push) == f"PUSH_{push.name}"


# Payloads


def test_a_payload_is_read() -> None:
    business = pb.BusinessRequest(action="a", params={"p": "q"}, data=b"d")
    assert parse_payload(pb.BusinessRequest, business.SerializeToString()) == business


def test_what_is_no_payload_is_a_request_error_that_names_what_was_expected() -> None:
    with pytest.raises(RequestError) as caught:
        parse_payload(pb.ClientAck, b"\xff\xff")
    assert caught.value.code == 400
    assert "2 bytes are no ClientAck" in caught.value.detail


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


# Down


@pytest.mark.parametrize("kind", [PushType.START_RESP, PushType.HEARTBEAT_RESP, PushType.ERROR])
def test_an_unnumbered_message(kind: PushType) -> None:
    framed = unnumbered(9, kind, b"payload", {"k": "v"})
    assert int.from_bytes(framed[:4], "big") == len(framed) - 4
    push = pb.ServerPush.FromString(framed[4:])
    assert (push.msg_id, push.seq_id, push.type, push.payload, dict(push.headers)) == (
        9,
        0,
        kind,
        b"payload",
        {"k": "v"},
    )


def test_an_unnumbered_message_needs_no_headers() -> None:
    assert not pb.ServerPush.FromString(unnumbered(1, PushType.ERROR, b"")[4:]).headers
