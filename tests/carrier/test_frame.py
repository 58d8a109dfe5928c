"""Envelopes in, unnumbered messages out (protocol §1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.carrier import parse_envelope, unnumbered
from quicgw_fast.codes import PushType, RequestType
from quicgw_fast.errors import ProtocolError
from quicgw_fast.proto import client_pb2 as pb

BROKEN = [b"\xff", b"\x0a\x05ab", b"\x08", b"\x22\xff\xff\xff\xff\x0f", b"\x32\x01\xff"]
"""No tag, a short string, no value, a length past the end, an openid that is no UTF-8."""


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


def test_the_numbers_of_types_are_those_of_the_wire() -> None:
    for kind in RequestType:
        assert pb.RequestType.Name(kind) == f"REQUEST_{kind.name}"
    for push in PushType:
        assert pb.PushType.Name(push) == f"PUSH_{push.name}"


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
