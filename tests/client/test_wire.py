"""The client's frames and envelopes against the protobuf messages themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.client import wire
from quicgw_fast.client.errors import Overloaded, ProtocolFailure, TooLarge, Unauthorized
from quicgw_fast.client.messages import GapReport, StopReason
from quicgw_fast.codes import PushType, RequestType, ResetReason
from quicgw_fast.proto.client_pb2 import (
    BusinessRequest,
    BusinessResponse,
    ClientAck,
    ClientRequest,
    ErrorMessage,
    HeartbeatRequest,
    ServerPush,
    StartRequest,
    StartResponse,
    StopRequest,
)


def unframe(frame: bytes) -> ClientRequest:
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    return ClientRequest.FromString(frame[4:])


class TestUp:
    def test_start(self) -> None:
        request = unframe(wire.start_frame(7, "alice", "secret", wire.ResumeClaim(9, "sid", "ep")))
        assert (request.msg_id, request.seq_id, int(request.type)) == (7, 0, RequestType.START)
        start = StartRequest.FromString(request.payload)
        assert (start.openid, start.auth_token) == ("alice", "secret")
        assert (start.last_acked_seq_id, start.session_id, start.epoch) == (9, "sid", "ep")

    def test_a_start_must_fit_into_what_is_read_before_login(self) -> None:
        with pytest.raises(TooLarge):
            wire.start_frame(1, "alice", "x" * 4096, wire.ResumeClaim())

    def test_stop_heartbeat_and_ack_carry_no_number(self) -> None:
        stop = unframe(wire.stop_frame(1, StopReason.USER_LOGOUT))
        beat = unframe(wire.heartbeat_frame(2, 1234, {"auth-token": "t"}))
        ack = unframe(wire.ack_frame(77))
        assert [int(m.type) for m in (stop, beat, ack)] == [
            RequestType.STOP,
            RequestType.HEARTBEAT,
            RequestType.ACK,
        ]
        assert {m.seq_id for m in (stop, beat, ack)} == {0}
        assert StopRequest.FromString(stop.payload).reason == 1
        assert HeartbeatRequest.FromString(beat.payload).client_timestamp == 1234
        assert dict(beat.headers) == {"auth-token": "t"}
        assert ClientAck.FromString(ack.payload).acked_seq_id == 77

    def test_business(self) -> None:
        message = wire.business_request("echo", {"k": "v"}, b"data", {"h": "x"})
        request = unframe(wire.business_frame(message, 5))
        assert (request.msg_id, request.seq_id, int(request.type)) == (5, 5, RequestType.BUSINESS)
        assert dict(request.headers) == {"h": "x"}
        business = BusinessRequest.FromString(request.payload)
        assert (business.action, dict(business.params), business.data) == ("echo", {"k": "v"}, b"data")

    def test_a_body_may_have_one_mebibyte_and_no_byte_more(self) -> None:
        overhead = len(wire.business_frame(wire.business_request("e", None, b"x" * (1 << 19), None), 1)) - 4 - (1 << 19)
        fits = wire.business_request("e", None, b"x" * ((1 << 20) - overhead), None)
        assert len(wire.business_frame(fits, 1)) == 4 + (1 << 20)
        too_long = wire.business_request("e", None, b"x" * ((1 << 20) - overhead + 1), None)
        with pytest.raises(TooLarge):
            wire.business_frame(too_long, 1)

    @given(st.integers(1, 2**64 - 1), st.integers(0, 2**40))
    def test_msg_ids_are_never_zero_and_never_shared(self, seq: int, count: int) -> None:
        business, control = wire.business_msg_id(seq), wire.control_msg_id(count)
        assert 0 < business < 2**31 <= control < 2**32


class TestDown:
    def test_an_accepted_start(self) -> None:
        payload = StartResponse(
            success=True,
            heartbeat_interval=30,
            connection_id="sid",
            resumed=True,
            epoch="ep",
            max_client_seq=4,
            replay_from=8,
        ).SerializeToString()
        answer = wire.parse_start(
            ServerPush(type=PushType.START_RESP.value, payload=payload, headers={"token-expires-in": "60"})  # type: ignore[arg-type]
        )
        assert (answer.session_id, answer.epoch, answer.resumed) == ("sid", "ep", True)
        assert (answer.max_client_seq, answer.replay_from, answer.heartbeat_interval) == (4, 8, 30)
        assert answer.token_expires_in == 60.0
        assert answer.gap is None

    def test_a_reset_with_its_gap(self) -> None:
        payload = StartResponse(success=True, reset_reason=ResetReason.OVERFLOW.value).SerializeToString()  # type: ignore[arg-type]
        headers = {"gap-from": "4", "gap-to": "9", "gap-notifies": "5", "gap-responses": "x", "gap-reason": "OVERFLOW"}
        answer = wire.parse_start(ServerPush(payload=payload, headers=headers))
        assert answer.reset_reason is ResetReason.OVERFLOW
        assert answer.gap == GapReport(first=4, last=9, notifies=5, reason="OVERFLOW")

    def test_a_refused_start_is_the_error_of_its_code(self) -> None:
        payload = StartResponse(error=ErrorMessage(error_code=401, error_message="bad token")).SerializeToString()
        with pytest.raises(Unauthorized, match="bad token"):
            wire.parse_start(ServerPush(payload=payload))

    def test_reply_notify_and_error(self) -> None:
        payload = BusinessResponse(code=404, message="none", data=b"d").SerializeToString()
        reply = wire.parse_reply(ServerPush(seq_id=3, payload=payload, headers={"a": "b"}))
        assert (reply.code, reply.message, reply.data, reply.headers, reply.seq_id) == (
            404,
            "none",
            b"d",
            {"a": "b"},
            3,
        )
        assert not reply.ok
        headers = {"notify-type": "t", "notify-title": "ti", "notify-content": "c", "x": "y"}
        notify = wire.parse_notify(ServerPush(seq_id=4, payload=payload, headers=headers))
        assert (notify.type, notify.title, notify.content, notify.data) == ("t", "ti", "c", b"d")
        assert (notify.message, notify.headers, notify.seq_id) == ("none", headers, 4)
        payload = ErrorMessage(error_code=503, error_message="busy", detail="queue").SerializeToString()
        error = wire.parse_error(ServerPush(seq_id=5, payload=payload, headers={"retry-after-ms": "20"}))
        assert isinstance(error, Overloaded)
        assert (error.detail, error.retry_after, error.seq_id) == ("queue", 0.02, 5)

    @pytest.mark.parametrize("parse", [wire.parse_start, wire.parse_reply, wire.parse_notify, wire.parse_error])
    def test_payloads_that_do_not_parse(self, parse: object) -> None:
        assert callable(parse)
        with pytest.raises(ProtocolFailure):
            parse(ServerPush(payload=b"\xff"))

    def test_an_envelope_that_does_not_parse(self) -> None:
        with pytest.raises(ProtocolFailure):
            wire.parse_push(b"\xff\xff")

    @pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("0", 0.0), ("", None), ("-3", None), ("soon", None)])
    def test_token_life(self, text: str, seconds: float | None) -> None:
        assert wire.expires_in({"token-expires-in": text} if text else {}) == seconds
