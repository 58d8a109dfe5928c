"""START: first, once, in time, whole; and what a refused one is told (protocol §2)."""

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


def start_message(**fields: object) -> bytes:
    return pb.StartRequest(**fields).SerializeToString()  # type: ignore[arg-type]


def refused(client: Client, msg_id: int) -> pb.ErrorMessage:
    answer = client.started(msg_id)
    assert not answer.success
    assert not answer.connection_id
    return answer.error


async def test_a_start_is_answered_with_all_that_a_client_needs(house: House) -> None:
    client = house.connect()
    answer = client.start("alice")
    assert answer.success
    assert answer.connection_id == client.session.id
    assert answer.epoch == client.session.epoch
    assert not answer.resumed
    assert answer.max_client_seq == 0
    assert answer.reset_reason == ResetReason.NONE
    assert answer.replay_from == 1
    assert (answer.heartbeat_interval, answer.resume_window) == (30, 120)
    assert client.session.state is SessionState.INITED
    assert client.session.attached


async def test_the_openid_of_the_envelope_is_ignored(house: House) -> None:
    client = house.connect()
    request = pb.ClientRequest(msg_id=1, type=pb.REQUEST_START, openid="mallory", payload=start_message(openid="alice"))
    client.raw(frame(request.SerializeToString()))
    assert client.session.openid == "alice"


@pytest.mark.parametrize(
    "kind", [RequestType.BUSINESS, RequestType.HEARTBEAT, RequestType.ACK, RequestType.STOP, 0, 99]
)
async def test_anything_else_first_is_a_protocol_error(house: House, kind: int) -> None:
    client = house.connect()
    msg_id = client.send(kind, seq=0)
    (push,) = client.pushes(msg_id)
    assert (error(push).error_code, push.seq_id) == (400, 0)
    assert client.ended is CloseCode.PROTOCOL_ERROR
    assert len(house.path.registry) == 0


async def test_a_second_start_is_refused_and_ends_the_connection(house: House) -> None:
    client = house.started("alice")
    first = client.session
    msg_id = client.send(RequestType.START, start_message(openid="bob"))
    assert refused(client, msg_id).error_code == 400
    assert client.ended is CloseCode.PROTOCOL_ERROR
    assert house.path.registry.by_openid("bob") is None
    assert house.path.registry.by_openid("alice") is first  # its session can be resumed
    assert not first.attached


async def test_a_start_without_openid_is_refused(house: House) -> None:
    client = house.connect()
    told = refused(client, client.send(RequestType.START, start_message(auth_token="t")))
    assert told.error_code == 400
    assert "openid" in told.detail
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_a_start_with_a_number_is_refused(house: House) -> None:
    client = house.connect()
    told = refused(client, client.send(RequestType.START, start_message(openid="alice"), seq=1))
    assert told.error_code == 400
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_an_unparsable_start_is_refused(house: House) -> None:
    client = house.connect()
    assert refused(client, client.send(RequestType.START, b"\xff\xff\xff")).error_code == 400
    assert client.ended is CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("fields", [{"openid": "x" * 257}, {"openid": "a", "last_acked_seq_id": 1 << 63}])
async def test_a_start_beyond_its_bounds_is_refused(house: House, fields: dict[str, object]) -> None:
    client = house.connect()
    assert refused(client, client.send(RequestType.START, start_message(**fields))).error_code == 400
    assert client.ended is CloseCode.PROTOCOL_ERROR


async def test_numbers_go_on_from_the_largest_that_can_be_claimed(house: House) -> None:
    client = house.started("alice", last_acked=(1 << 63) - 1)
    client.call("echo")
    assert client.numbers == [1 << 63]


async def test_a_start_that_does_not_come_is_answered_and_closed(house: House) -> None:
    late = house.connect()
    await house.pass_time(5.0)
    assert late.ended is None
    await house.pass_time(0.1)
    assert refused(late, 0).error_code == 400
    assert late.ended is CloseCode.PROTOCOL_ERROR
    late.raw(frame(pb.ClientRequest(type=pb.REQUEST_START, payload=start_message(openid="a")).SerializeToString()))
    assert len(house.path.registry) == 0
    assert house.count("starts_refused") == 1


async def test_a_start_in_time_is_not_disturbed_later(house: House) -> None:
    client = house.connect()
    await house.pass_time(4.9)
    assert client.start("alice").success
    await house.pass_time(10.0)
    assert client.ended is None


async def test_what_comes_behind_a_refused_start_is_ignored(house: House) -> None:
    client = house.connect()
    bad = pb.ClientRequest(msg_id=1, type=pb.REQUEST_START, payload=start_message()).SerializeToString()
    good = pb.ClientRequest(msg_id=2, type=pb.REQUEST_START, payload=start_message(openid="alice")).SerializeToString()
    client.raw(frame(bad) + frame(good))
    assert not client.pushes(2)
    assert len(house.path.registry) == 0


async def test_while_the_gateway_stops_a_start_is_sent_elsewhere(house: House) -> None:
    house.path.draining.active = True
    client = house.connect()
    answer = client.start("alice")
    assert (answer.success, answer.error.error_code) == (False, 503)
    assert client.ended is CloseCode.DRAINING
    assert len(house.path.registry) == 0


async def test_heartbeat_interval_and_window_are_told_in_whole_seconds(
    make_house: Callable[..., Awaitable[House]],
) -> None:
    house = await make_house(session={"heartbeat_interval": "200ms", "resume_window": "2500ms"})
    answer = house.connect().start("alice")
    assert (answer.heartbeat_interval, answer.resume_window) == (1, 2)


async def test_the_limits_are_told(house: House, make_house: Callable[..., Awaitable[House]]) -> None:
    window = {"limit-window-bytes": str(1 << 20)}
    assert house.started().limits == {"limit-in-flight": "64", "limit-messages-per-second": "100", **window}
    other = await make_house(limits={"messages_per_second": 99_999.5, "in_flight": 3})
    assert other.started().limits == {"limit-in-flight": "3", "limit-messages-per-second": "99999.5", **window}
    small = await make_house(session={"window_messages": 8, "window_bytes": "16KiB"})
    assert small.started().limits == {
        "limit-in-flight": "4",
        "limit-messages-per-second": "100",
        "limit-window-bytes": str(16 << 10),
    }


# Attempts that come too late


async def test_a_start_of_a_client_that_is_gone_changes_nothing(house: House) -> None:
    client = await house.online()
    late = house.connect()
    late.link.departed = True
    for message in (start_message(openid="alice", session_id=client.answer.connection_id), start_message(openid="x")):
        late.send(RequestType.START, message)
    late.call("hello")
    assert late.link.sent == []
    assert client.ended is None
    assert client.session.attached
    assert len(house.path.registry) == 1
    assert house.count("starts_departed") == 1
    late.link.lose()


async def test_what_a_client_did_before_it_left_counts(house: House) -> None:
    client = await house.online()
    await house.push(content="read")
    client.link.departed = True
    client.ack(client.numbers[-1])
    seq = client.call("echo", b"fire and forget")
    client.link.lose()
    await house.settle()
    assert house.upstream.called() == ["hello", "echo"]
    again = house.back(client, 2)
    assert again.answer.resumed
    assert again.texts == ["200 fire and forget"]
    assert again.replies(seq)


async def test_a_stop_before_leaving_counts(house: House) -> None:
    client = await house.online()
    client.link.departed = True
    client.stop()
    assert client.session.state is SessionState.CLOSED


def attempt(house: House, of: Client, number: int, last_acked: int = 1) -> Client:
    """A START for the session of an earlier client, with the number of the attempt."""
    client = house.connect()
    client.start("alice", last_acked, of.answer.connection_id, of.answer.epoch, attempt=number)
    return client


def assert_outdated(client: Client) -> None:
    assert not client.answer.success
    assert client.answer.error.error_code == 403
    assert not client.answer.connection_id
    assert client.ended is CloseCode.SUPERSEDED


@pytest.mark.parametrize("late", [1, 4, 5])
async def test_an_older_attempt_of_the_same_epoch_changes_nothing(house: House, late: int) -> None:
    first = await house.online()
    newest = attempt(house, first, 5)
    assert newest.answer.resumed
    assert_outdated(attempt(house, first, late))
    assert newest.ended is None
    assert newest.session.attached
    assert house.count("starts_outdated") == 1
    assert attempt(house, first, 6).answer.resumed


async def test_an_attempt_that_is_not_counted_is_not_compared(house: House) -> None:
    first = await house.online()
    attempt(house, first, 5)
    assert attempt(house, first, 0).answer.resumed
    assert_outdated(attempt(house, first, 5))


async def test_a_refused_attempt_is_not_the_highest_seen(house: House) -> None:
    first = await house.online()
    house.path.draining.active = True
    attempt(house, first, 9)
    house.path.draining.active = False
    assert attempt(house, first, 3).answer.resumed


async def test_another_epoch_counts_its_own_attempts(house: House) -> None:
    first = await house.online()
    attempt(house, first, 5)
    fresh = house.connect()
    assert fresh.start("alice", attempt=1).success, "a program that was started anew"
    assert attempt(house, fresh, 1, 0).answer.resumed


async def test_an_attempt_is_outdated_after_the_reset_that_a_newer_one_brought(house: House) -> None:
    """The late one would end the session that the client has now."""
    first = await house.online()
    newer = attempt(house, first, 3, last_acked=99)
    assert newer.answer.reset_reason == ResetReason.FUTURE_ACK
    assert_outdated(attempt(house, first, 2))
    assert newer.ended is None
    last = house.connect()
    last.start("alice", 99, newer.answer.connection_id, "other", attempt=7)
    assert last.answer.reset_reason == ResetReason.EPOCH
    assert_outdated(attempt(house, first, 3))
    assert last.ended is None


async def test_an_attempt_is_outdated_after_the_end_of_its_session(house: House) -> None:
    first = await house.online()
    attempt(house, first, 3).stop()
    assert_outdated(attempt(house, first, 3))
    assert len(house.path.registry) == 0
    await house.pass_time(121.0)
    assert attempt(house, first, 3).answer.reset_reason == ResetReason.UNKNOWN_SESSION


async def test_an_openids_attempts_are_nobody_elses(house: House) -> None:
    first = await house.online()
    attempt(house, first, 5)
    other = house.connect()
    other.start("mallory", 1, first.answer.connection_id, first.answer.epoch, attempt=2)
    assert other.answer.reset_reason == ResetReason.UNKNOWN_SESSION
