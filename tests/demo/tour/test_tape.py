from __future__ import annotations

import pytest

from quicgw_fast.demo.tour.tape import Closed, Sent, Tape, TapeKind, read
from quicgw_fast.proto import client_pb2 as pb

BUSINESS = pb.BusinessResponse(code=201, message="made").SerializeToString()


@pytest.mark.parametrize(
    ("push", "kind", "code", "text"),
    [
        (
            pb.ServerPush(msg_id=3, seq_id=4, type=pb.PUSH_BUSINESS_DATA, payload=BUSINESS),
            TapeKind.REPLY,
            201,
            "made",
        ),
        (pb.ServerPush(seq_id=4, type=pb.PUSH_BUSINESS_DATA, payload=BUSINESS), TapeKind.NOTIFY, 201, "made"),
        (
            pb.ServerPush(
                msg_id=3,
                seq_id=4,
                type=pb.PUSH_ERROR,
                payload=pb.ErrorMessage(error_code=503, error_message="full").SerializeToString(),
            ),
            TapeKind.ERROR,
            503,
            "full",
        ),
        (pb.ServerPush(msg_id=3, type=pb.PUSH_HEARTBEAT_RESP), TapeKind.HEARTBEAT, 0, ""),
        (pb.ServerPush(seq_id=4, type=pb.PUSH_UNKNOWN), TapeKind.UNKNOWN, 0, ""),
    ],
)
def test_read(push: pb.ServerPush, kind: TapeKind, code: int, text: str) -> None:
    received = read(push, 2)
    assert (received.kind, received.code, received.text) == (kind, code, text)
    assert (received.link, received.seq_id, received.msg_id) == (2, push.seq_id, push.msg_id)


def test_read_a_start() -> None:
    payload = pb.StartResponse(success=True, replay_from=7).SerializeToString()
    assert read(pb.ServerPush(type=pb.PUSH_START_RESP, payload=payload), 1).replay_from == 7


def test_both_directions_are_on_tape() -> None:
    tape = Tape("tim")
    tape.connection_up(1)
    tape.request_sent(1, pb.ClientRequest(msg_id=5, seq_id=6, type=pb.REQUEST_BUSINESS))
    tape.push_received(1, pb.ServerPush(msg_id=5, seq_id=1, type=pb.PUSH_BUSINESS_DATA, payload=BUSINESS))
    tape.connection_down(1, 0, "NORMAL", True)
    assert tape.sent == [Sent(link=1, type=pb.REQUEST_BUSINESS, msg_id=5, seq_id=6)]
    assert [(one.kind, one.seq_id, one.link) for one in tape.received] == [(TapeKind.REPLY, 1, 1)]
    assert tape.closed == [Closed(0, "NORMAL", True)]
    assert tape.links == 1
