"""Bytes that are no messages, messages that need no number, and the ways a connection ends (protocol §1, §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, RequestType, ResetReason
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.session import SessionState
from tests.support.wire import error, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

GARBAGE = b"\x0a\xff\xff\xff\xff"


# Frames


async def test_an_unparsable_message_ends_the_connection(house: House) -> None:
    client = house.started()
    client.raw(frame(GARBAGE))
    (push,) = client.pushes(0)
    assert (error(push).error_code, push.seq_id) == (400, 1)
    assert client.ended is CloseCode.PROTOCOL_ERROR
    assert not client.session.attached


async def test_an_unparsable_first_message_ends_the_connection(house: House) -> None:
    client = house.connect()
    client.raw(frame(GARBAGE))
    (push,) = client.pushes(0)
    assert (error(push).error_code, push.seq_id) == (400, 0)
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_a_message_over_the_limit_is_413_by_its_length_alone(house: House) -> None:
    client = house.started()
    client.raw(((1 << 20) + 1).to_bytes(4, "big"))
    (push,) = client.pushes(0)
    assert (error(push).error_code, push.seq_id) == (413, 1)
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_before_start_the_limit_is_lower(house: House) -> None:
    client = house.connect()
    client.raw((4097).to_bytes(4, "big"))
    (push,) = client.pushes(0)
    assert (error(push).error_code, push.seq_id) == (413, 0)
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_a_message_of_exactly_the_limit_is_taken(house: House) -> None:
    client = await house.online()
    room = (1 << 20) - pb.ClientRequest(
        msg_id=1002, seq_id=2, type=pb.REQUEST_BUSINESS, payload=b"", headers={"k": ""}
    ).ByteSize()
    payload = pb.BusinessRequest(action="sink").SerializeToString()
    padding = room - len(payload) - 2 - 6
    request = pb.ClientRequest(
        msg_id=1002, seq_id=2, type=pb.REQUEST_BUSINESS, payload=payload, headers={"k": "x" * padding}
    )
    body = request.SerializeToString()
    assert len(body) <= 1 << 20
    client.raw(frame(body))
    await house.settle()
    assert client.ended is None
    assert client.texts == ["200 "]


async def test_messages_before_a_broken_one_are_answered(house: House) -> None:
    client = await house.online()
    business = pb.BusinessRequest(action="echo", data=b"x").SerializeToString()
    request = pb.ClientRequest(msg_id=1002, seq_id=2, type=pb.REQUEST_BUSINESS, payload=business)
    client.raw(frame(request.SerializeToString()) + b"\xff\xff\xff\xff")
    await house.settle()
    assert client.texts == ["error 413"]  # sent before the connection closed; the reply is retained
    again = house.back(client, client.numbers[-1])
    await house.settle()
    assert again.texts == ["200 x"]


async def test_a_stream_may_come_in_single_bytes(house: House) -> None:
    client = house.connect()
    request = pb.ClientRequest(
        msg_id=1, type=pb.REQUEST_START, payload=pb.StartRequest(openid="alice").SerializeToString()
    )
    for byte in frame(request.SerializeToString()):
        assert client.conversation.session is None
        client.raw(bytes([byte]))
    assert client.started(1).success


async def test_a_message_that_stands_still_ends_the_connection_and_the_client_may_come_back(house: House) -> None:
    client = house.started()
    client.raw(b"\x00\x00")
    await house.pass_time(5.0)
    assert client.ended is None
    await house.pass_time(0.1)
    assert client.ended is CloseCode.SLOW_CONSUMER
    assert not client.numbered, "there is nothing that a resume would have to bring again"
    assert house.count("slow_senders") == 1
    assert house.back(client, 0).answer.resumed


async def test_a_large_message_may_take_its_time(house: House) -> None:
    """600 kB in 65 s, at twice the rate that is asked for."""
    client = await house.online()
    business = pb.BusinessRequest(action="echo", data=bytes(600_000)).SerializeToString()
    request = pb.ClientRequest(msg_id=7, seq_id=2, type=pb.REQUEST_BUSINESS, payload=business)
    body = frame(request.SerializeToString())
    for start in range(0, len(body), 10_000):
        client.raw(body[start : start + 10_000])
        await house.pass_time(1.0)
        assert client.ended is None, f"after {start} bytes"
    assert len(client.pushes(7)) == 1


async def test_pauses_are_no_end_while_the_rate_is_kept(house: House) -> None:
    client = house.started()
    client.raw((1 << 20).to_bytes(4, "big") + bytes(2))
    for _ in range(5):
        await house.pass_time(4.9)
        assert client.ended is None
        client.raw(bytes(25_000))


@pytest.mark.parametrize(("piece", "seconds"), [(1, 4.9), (100, 0.5), (4000, 1.0)])
async def test_who_drips_is_closed_soon(house: House, piece: int, seconds: float) -> None:
    client = house.started()
    client.raw((1 << 20).to_bytes(4, "big"))
    begun, sent = house.clock.now, 0
    while client.ended is None:
        client.raw(bytes(piece))
        sent += piece
        await house.pass_time(seconds)
        assert house.clock.now - begun < 300.0
    assert client.ended is CloseCode.SLOW_CONSUMER
    rate = house.config.session.frame_rate
    assert house.clock.now - begun <= 5.0 + sent / rate + 5.0


async def test_a_slow_stream_of_whole_messages_is_no_partial_one(house: House) -> None:
    client = house.started()
    beat = frame(pb.ClientRequest(type=pb.REQUEST_HEARTBEAT).SerializeToString())
    client.raw(beat[:3])
    for _ in range(5):
        await house.pass_time(4.0)
        client.raw(beat[3:] + beat[:3])
    assert client.ended is None
    client.raw(beat[3:])
    await house.pass_time(60.0)
    assert client.ended is None


@pytest.mark.parametrize("kind", [RequestType.UNKNOWN, 77])
async def test_an_unknown_type_is_400_and_costs_nothing_else(house: House, kind: int) -> None:
    client = await house.online()
    (push,) = client.pushes(client.send(kind))
    assert error(push).error_code == 400
    assert client.ended is None
    seq = client.call("echo")
    await house.settle()
    assert client.reply(seq).type == pb.PUSH_BUSINESS_DATA
    assert client.numbers == [2, 3]


# Heartbeat


async def test_a_heartbeat_is_answered_without_a_number(house: House) -> None:
    client = house.started()
    (push,) = client.pushes(client.heartbeat())
    assert (push.type, push.seq_id) == (pb.PUSH_HEARTBEAT_RESP, 0)
    answer = pb.HeartbeatResponse.FromString(push.payload)
    assert (answer.client_timestamp, answer.server_timestamp) == (7, int(house.clock.wall * 1000))


@pytest.mark.parametrize("kind", [RequestType.HEARTBEAT, RequestType.ACK])
async def test_a_number_where_none_belongs_is_400(house: House, kind: RequestType) -> None:
    client = house.started()
    (push,) = client.pushes(client.send(kind, seq=3))
    assert error(push).error_code == 400
    assert client.ended is None
    assert client.session.outbox.max_client_seq == 0


@pytest.mark.parametrize("kind", [RequestType.HEARTBEAT, RequestType.ACK, RequestType.STOP])
async def test_an_unparsable_payload_is_400(house: House, kind: RequestType) -> None:
    client = house.started()
    (push,) = client.pushes(client.send(kind, GARBAGE))
    assert error(push).error_code == 400
    assert client.ended is None


async def test_answers_to_heartbeats_do_not_pile_up_for_who_does_not_read(house: House) -> None:
    client = house.started()
    client.link.pending = (2 << 20) + house.config.session.window_bytes
    client.heartbeat()
    assert client.ended is None
    client.link.pending += 1
    client.heartbeat()
    assert client.ended is CloseCode.SLOW_CONSUMER


async def test_a_large_reply_under_way_does_not_make_a_heartbeat_the_end(house: House) -> None:
    """Pending bytes of one window and its reserve are no sign of a client that does not read."""
    client = await house.online()
    client.link.counts_pending = True
    client.link.pending = 512 << 10
    seq = client.call("echo", b"x" * ((1 << 20) - 200))
    await house.settle()
    assert client.replies(seq)
    client.heartbeat()
    assert client.ended is None


# Floods


async def flood(client: Client, send: Callable[[], object]) -> int:
    """Send until the gateway has enough; returns how many it took."""
    for count in range(5000):
        if client.ended is not None:
            return count
        send()
    return 5000


@pytest.mark.parametrize("kind", ["heartbeat", "stale ack", "numbered heartbeat", "unknown", "garbage"])
async def test_every_kind_of_message_has_a_bound(house: House, kind: str) -> None:
    client = await house.online()
    send = {
        "heartbeat": client.heartbeat,
        "stale ack": lambda: client.ack(1),
        "numbered heartbeat": lambda: client.send(RequestType.HEARTBEAT, seq=1),
        "unknown": lambda: client.send(99),
        "garbage": lambda: client.send(RequestType.ACK, GARBAGE),
    }[kind]
    for _ in range(300):  # what an honest client may send at once
        send()
        client.session.outbox.ack(client.session.outbox.last_seq)
    assert client.ended is None
    assert await flood(client, lambda: (send(), client.session.outbox.ack(client.session.outbox.last_seq))) < 200
    assert client.ended is CloseCode.OVERLOADED
    assert house.count("floods_closed") == 1
    assert house.back(client, client.session.outbox.last_seq).answer.resumed


async def test_requests_that_are_far_over_their_rate_end_the_connection(house: House) -> None:
    client = await house.online()

    def send() -> None:
        client.call("echo")
        client.session.outbox.ack(client.session.outbox.last_seq)

    assert 1000 < await flood(client, send) < 1200
    assert client.ended is CloseCode.OVERLOADED


async def test_acknowledgements_of_something_are_never_too_many(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 2000})
    client = await house.online()
    for _ in range(1500):
        await house.push()
        client.ack(client.numbers[-1])
    assert client.ended is None


async def test_a_heartbeat_a_hundred_times_a_second_is_no_flood(house: House) -> None:
    client = await house.online()
    for _ in range(1000):
        client.heartbeat()
        house.clock.advance(0.01)
    assert client.ended is None


# STOP


async def test_stop_ends_the_session_at_once(house: House) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    seq = client.call("slow")
    await house.settle()
    session = client.session
    client.stop()
    assert client.ended is CloseCode.NORMAL
    assert session.state is SessionState.CLOSED
    assert house.path.registry.by_openid("alice") is None
    assert house.count("in_flight_dropped") == 1
    await house.settle()
    assert not house.upstream.waiting()
    assert not client.replies(seq)
    assert house.count("replies_dropped") == 0, "it is counted once"


async def test_what_comes_behind_stop_is_ignored(house: House) -> None:
    client = house.started()
    client.stop()
    before = len(client.link.sent)
    client.heartbeat()
    client.call("hello")
    await house.settle()
    assert len(client.link.sent) == before
    assert not house.upstream.calls


async def test_a_stopped_session_is_remembered_as_ended(house: House) -> None:
    client = await house.online()
    client.stop()
    again = house.connect()
    answer = again.start("alice", 1, client.answer.connection_id, client.answer.epoch)
    assert (answer.resumed, answer.reset_reason) == (False, ResetReason.EXPIRED)


async def test_an_unknown_reason_to_stop_is_a_reason(house: House) -> None:
    client = house.started()
    client.send(RequestType.STOP, b"\x08\x63")
    assert client.ended is CloseCode.NORMAL


# The connection goes


@pytest.mark.parametrize("code", [0, 5, CloseCode.IDLE])
async def test_a_connection_that_ends_without_stop_is_a_drop(house: House, code: int) -> None:
    client = await house.online()
    client.link.lose(code)
    assert not client.session.attached
    assert client.session.state is SessionState.NORMAL
    assert not house.path.conversations.open
    assert house.back(client, 1).answer.resumed


async def test_nothing_is_processed_after_the_end(house: House) -> None:
    client = await house.online()
    client.link.lose()
    client.call("echo")
    await house.settle()
    assert house.upstream.called() == ["hello"]


async def test_the_end_of_one_connection_is_nothing_to_others(make_house: Callable[..., Awaitable[House]]) -> None:
    house = await make_house()
    good, bad = await house.online("good"), await house.online("bad")
    bad.raw(b"\xff" * 64)
    assert bad.ended is CloseCode.PROTOCOL_ERROR
    seq = good.call("echo", b"still here")
    await house.settle()
    assert good.texts == ["200 still here"]
    assert good.reply(seq)
    assert good.ended is None
