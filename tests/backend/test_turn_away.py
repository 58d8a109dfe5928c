"""Many requests refused in one step: both makers of the engine (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.backend.errors import FrameTooLarge, OutboxClosed
from quicgw_fast.proto import client_pb2 as pb

from .sent import Sent, read

if TYPE_CHECKING:
    from types import ModuleType


def request(seq: int, action: str = "echo", **more: object) -> bytes:
    payload = pb.BusinessRequest(action=action, data=b"x" * 20).SerializeToString()
    return pb.ClientRequest(
        msg_id=1000 + seq, seq_id=seq, type=pb.REQUEST_BUSINESS, payload=payload, **more
    ).SerializeToString()  # type: ignore[arg-type]


def refusal(engine: ModuleType) -> bytes:
    encoded: bytes = engine.encode_body(4, 503, "overloaded", b"detail", {"retry-after-ms": "30"})
    return encoded


ACK = pb.ClientRequest(type=pb.REQUEST_ACK, payload=b"\x08\x01").SerializeToString()


def test_each_gets_the_error_under_the_next_number(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    count, sent = outbox.turn_away([request(1), request(2), request(3)], 0, refusal(engine))
    assert count == 3
    headers = {"retry-after-ms": "30"}
    assert read(sent) == [Sent(n, 1000 + n, pb.PUSH_ERROR, 503, "overloaded", b"detail", headers) for n in (1, 2, 3)]
    assert (outbox.max_client_seq, outbox.in_flight, outbox.retained) == (3, 0, 3)
    assert outbox.replay(0, 1 << 20)[0] == sent
    assert (outbox.tally[0], outbox.tally[1]) == (3, 0)
    assert outbox.accept(4) == 0


@pytest.mark.parametrize(
    "other",
    [
        ACK,
        request(9),
        request(2, "hello"),
        request(2, "HeLLo"),
        b"",
        b"\x18\x04\x18\x04",
        request(2) + b"\x38\x01",
        pb.ClientRequest(seq_id=2, type=pb.REQUEST_HEARTBEAT).SerializeToString(),
    ],
)
def test_it_ends_before_what_is_no_plain_request(engine: ModuleType, other: bytes) -> None:
    outbox = engine.Outbox()
    assert outbox.turn_away([request(1), other, request(2)], 0, refusal(engine))[0] == 1
    assert outbox.turn_away([request(1), other, request(2)], 1, refusal(engine)) == (0, b"")
    assert outbox.turn_away([request(1), other, request(2)], 2, refusal(engine))[0] == 1
    assert outbox.turn_away([request(3)], 7, refusal(engine)) == (0, b"")
    assert outbox.max_client_seq == 2


def test_headers_and_openid_do_not_matter(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    message = request(1, headers={"timeout-ms": "5", "b": ""}, openid="zwölf")
    assert outbox.turn_away([message], 0, refusal(engine))[0] == 1


def test_the_first_number_may_be_any(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    assert outbox.turn_away([request(7), request(8)], 0, refusal(engine))[0] == 2
    assert outbox.turn_away([request(8)], 0, refusal(engine)) == (0, b"")
    assert engine.Outbox().turn_away([request(0)], 0, refusal(engine)) == (0, b"")


def test_what_something_is_bound_to_is_left(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.bind(2, True, b"\x18\x03", 1e9)
    assert outbox.turn_away([request(1), request(2), request(3)], 0, refusal(engine))[0] == 1


def test_where_not_all_fit_some_are_refused_and_none_is_lost(engine: ModuleType) -> None:
    outbox = engine.Outbox(window_messages=8)
    messages = [request(n) for n in range(1, 17)]
    begin = 0
    while count := outbox.turn_away(messages, begin, refusal(engine))[0]:
        begin += count
    assert begin == outbox.retained == 10, "the window, and a quarter for replies"
    assert not outbox.overflowed
    outbox.ack(10)
    assert outbox.turn_away(messages, begin, refusal(engine))[0] == 6


def test_a_budget_that_is_full_is_for_others_to_make_room_in(engine: ModuleType) -> None:
    budget = engine.ByteBudget(200)
    outbox = engine.Outbox(budget=budget)
    assert outbox.turn_away([request(n) for n in range(1, 9)], 0, refusal(engine))[0] == 1
    assert outbox.turn_away([request(2)], 0, refusal(engine)) == (0, b"")
    assert outbox.max_client_seq == 1


def test_after_an_overflow_none_is_refused_like_this(engine: ModuleType) -> None:
    outbox = engine.Outbox()
    outbox.mark_overflow()
    assert outbox.turn_away([request(1)], 0, refusal(engine)) == (0, b"")


def test_errors(engine: ModuleType) -> None:
    outbox = engine.Outbox(max_body=50)
    with pytest.raises(FrameTooLarge):
        outbox.turn_away([request(1)], 0, refusal(engine))
    with pytest.raises(TypeError):
        outbox.turn_away(["text"], 0, b"")
    outbox.close()
    with pytest.raises(OutboxClosed):
        outbox.turn_away([request(1)], 0, b"\x18\x04")
