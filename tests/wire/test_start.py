"""Protocol §2: how a connection begins, who may not begin, and taking a session over."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast import config as configs
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_client import ConnectionEndedError
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World, WorldMaker


async def refused_start(client: RawClient, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> pb.StartResponse:
    """The START_RESP that says no, followed by the close."""
    await assert_closed(client, code)
    push = client.log[-1]
    assert push.type == pb.PUSH_START_RESP, wire.describe(push)
    assert push.seq_id == 0
    answer = pb.StartResponse.FromString(push.payload)
    assert not answer.success
    assert answer.error.error_message
    return answer


async def test_start_is_answered_with_everything_a_client_needs(world: World) -> None:
    client = await world.started("alice")
    assert client.start_push is not None
    assert (client.start_push.seq_id, client.start_push.msg_id) == (0, 1)
    answer = client.started
    assert answer is not None
    assert answer.heartbeat_interval == 30
    assert answer.resume_window == 120
    assert len(answer.connection_id) >= 22, "128 random bits need that many characters"
    assert answer.epoch
    assert (answer.resumed, answer.reset_reason, answer.max_client_seq) == (False, pb.RESET_REASON_NONE, 0)
    assert not answer.HasField("error")


async def test_session_ids_and_epochs_are_never_the_same(world: World) -> None:
    answers = [(await world.started(f"user-{n}")).started for n in range(10)]
    assert len({answer.connection_id for answer in answers if answer}) == 10
    assert len({answer.epoch for answer in answers if answer}) == 10


async def test_the_announced_times_are_the_configured_ones(make_world: WorldMaker) -> None:
    world = await make_world(session={"heartbeat_interval": "7s", "resume_window": "33s"})
    answer = (await world.started("alice")).started
    assert answer is not None
    assert (answer.heartbeat_interval, answer.resume_window) == (7, 33)


async def test_start_without_an_openid_is_refused(world: World) -> None:
    async with world.bystander():
        client = await world.connect()
        client.request(pb.REQUEST_START, pb.StartRequest().SerializeToString())
        assert (await refused_start(client)).error.error_code == 400


async def test_the_openid_of_the_envelope_does_not_stand_in_for_the_missing_one(world: World) -> None:
    client = await world.connect()
    client.send(pb.ClientRequest(msg_id=1, type=pb.REQUEST_START, openid="alice"))
    assert (await refused_start(client)).error.error_code == 400


async def test_start_with_a_number_is_refused(world: World) -> None:
    async with world.bystander():
        client = await world.connect()
        client.request(pb.REQUEST_START, pb.StartRequest(openid="alice").SerializeToString(), seq=1)
        assert (await refused_start(client)).error.error_code == 400


async def test_start_with_a_payload_that_does_not_parse_is_refused(world: World) -> None:
    async with world.bystander():
        client = await world.connect()
        client.request(pb.REQUEST_START, b"\xff\xff\xff")
        assert (await refused_start(client)).error.error_code == 400


@pytest.mark.parametrize(
    "kind", [pb.REQUEST_UNKNOWN, pb.REQUEST_STOP, pb.REQUEST_HEARTBEAT, pb.REQUEST_BUSINESS, pb.REQUEST_ACK, 17]
)
async def test_anything_else_first_is_a_protocol_error(world: World, kind: int) -> None:
    async with world.bystander():
        client = await world.connect()
        client.request(kind, b"", seq=int(kind == pb.REQUEST_BUSINESS))
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)


async def test_start_twice_is_a_protocol_error_and_the_session_can_be_resumed(world: World) -> None:
    async with world.bystander():
        client = await world.online("alice")
        client.request(pb.REQUEST_START, pb.StartRequest(openid="alice").SerializeToString())
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)
    await world.resumed(client, client.last_seq)


async def test_start_for_another_openid_on_the_same_connection_changes_nothing(world: World) -> None:
    victim = await world.online("victim")
    client = await world.online("mallory")
    client.request(pb.REQUEST_START, pb.StartRequest(openid="victim").SerializeToString())
    await assert_closed(client, CloseCode.PROTOCOL_ERROR)
    assert wire.business(await victim.call("echo")).code == 200


def test_start_has_five_seconds_by_default() -> None:
    assert configs.SessionConfig().start_timeout == 5.0


@pytest.mark.parametrize("sent", [b"", b"\x00\x00\x00\x20half of it"])
async def test_start_that_comes_too_late_is_a_protocol_error(make_world: WorldMaker, sent: bytes) -> None:
    world = await make_world(session={"start_timeout": 0.5})
    async with world.bystander():
        client = await world.connect()
        begun = time.monotonic()
        if sent:
            client.send_raw(sent)
        await assert_closed(client, CloseCode.PROTOCOL_ERROR)
        assert 0.4 < time.monotonic() - begun < 15.0


async def test_the_limits_are_told(make_world: WorldMaker) -> None:
    world = await make_world(limits={"in_flight": 7, "messages_per_second": 12.5})
    client = await world.started("alice")
    assert client.start_push is not None
    told = {name: text for name, text in client.start_push.headers.items() if name.startswith("limit-")}
    assert told == {"limit-in-flight": "7", "limit-messages-per-second": "12.5", "limit-window-bytes": str(1 << 20)}


# ---- attempts that come too late


@pytest.mark.parametrize("resumes", [False, True])
async def test_a_start_whose_client_has_left_is_not_acted_on(world: World, resumes: bool) -> None:
    """Its packets arrive late and together: START, and the close of an attempt that was given up."""
    client = await world.online("alice")
    assert client.started is not None
    late = await world.connect()
    body = pb.StartRequest(openid="alice")
    if resumes:
        body.session_id, body.epoch, body.last_acked_seq_id = client.started.connection_id, client.started.epoch, 1
    late.request(pb.REQUEST_START, body.SerializeToString())
    await late.close()  # nothing is waited for in between: the gateway reads both in one go
    await wire.until(lambda: world.gateway.stats()["counters"]["starts_departed"] == 1, what="the late START")
    assert wire.business(await client.call("echo", data=b"still mine")).data == b"still mine"
    assert client.closed is None
    counters = world.gateway.stats()["counters"]
    assert [counters[name] for name in ("starts", "resumes", "takeovers")] == [1, 0, 0]


async def test_what_was_sent_before_a_proper_close_counts(world: World) -> None:
    client = await world.online("alice")
    client.business("echo", data=b"fire and forget")
    await client.close()
    await world.zone.wait_requests(1, "echo")
    again = await world.resumed(client, client.last_seq)
    await again.wait_count(1)
    assert wire.business(again.log[-1]).data == b"fire and forget"


async def test_an_outdated_attempt_is_refused_and_changes_nothing(world: World) -> None:
    first = await world.online("alice")
    assert first.started is not None
    session = (first.started.connection_id, first.started.epoch)
    newest, late = await world.connect(), await world.connect()
    assert (await newest.start("alice", "", 1, *session, attempt=2)).resumed
    for attempt in (1, 2):
        late = await world.connect()
        await late.start("alice", "", 1, *session, attempt=attempt)
        assert (await refused_start(late, CloseCode.SUPERSEDED)).error.error_code == 403
    newest.next_seq = 2
    assert wire.business(await newest.call("echo")).code == 200
    assert newest.closed is None


# ---- take-over


async def test_the_newer_connection_wins_and_the_older_is_superseded(world: World) -> None:
    old = await world.online("alice")
    new = await world.online("alice")
    await assert_closed(old, CloseCode.SUPERSEDED)
    assert wire.business(await new.call("echo", data=b"mine")).data == b"mine"


async def test_a_take_over_that_resumes_keeps_the_session_and_what_is_in_flight(world: World) -> None:
    gate = world.zone.hold("echo")
    old = await world.online("alice")
    message = old.business("echo", data=b"begun before")
    await world.zone.wait_requests(1)
    new = await world.resumed(old, old.last_seq)
    await assert_closed(old, CloseCode.SUPERSEDED)
    gate.open()
    assert wire.business(await new.reply(message)).data == b"begun before"
    assert not old.replies(message)


async def test_nothing_from_the_superseded_connection_is_processed(world: World) -> None:
    old = await world.online("alice")
    old.deafen()  # it does not learn that it lost
    new = await world.resumed(old, old.last_seq)
    seen = len(world.zone.seen)
    for seq in (2, 3, 4):
        old.business("echo", data=b"from the past", seq=seq)
    old.ack(1)
    old.stop()
    # What the old connection sent is on its way already when the new one asks.
    for _ in range(3):
        assert wire.business(await new.call("echo", data=b"now")).data == b"now"
    assert [request.data for request in world.zone.requests[seen:]] == [b"now"] * 3
    assert new.closed is None
    pushed = await world.pusher.push("alice", data=b"still there")
    assert pushed.success


async def test_ten_clients_racing_for_one_openid_leave_exactly_one(world: World) -> None:
    clients = await asyncio.gather(*(world.connect() for _ in range(10)))

    async def race(client: RawClient) -> bool:
        try:
            answer = await client.start("alice")
        except ConnectionEndedError:
            return False
        return answer.success

    assert all(await asyncio.gather(*(race(client) for client in clients)))
    await wire.until(lambda: sum(client.closed is None for client in clients) == 1, what="nine closed")
    for client in clients:
        if client.closed is not None:
            await assert_closed(client, CloseCode.SUPERSEDED)
    (winner,) = (client for client in clients if client.closed is None)
    assert wire.business(await winner.hello()).code == 200
    assert (await world.pusher.push("alice", data=b"for the winner")).success
    await winner.wait_for(wire.is_notify)
    assert len([seen for seen in world.hello.requests if seen.openid == "alice"]) == 1


async def test_racing_resumes_lose_no_message(world: World) -> None:
    first = await world.online("alice")
    for n in range(5):
        assert (await world.pusher.push("alice", data=b"%d" % n)).success
    first.abandon()
    assert first.started is not None
    session = (first.started.connection_id, first.started.epoch)
    clients = await asyncio.gather(*(world.connect() for _ in range(10)))
    await asyncio.gather(*(client.start("alice", "", 1, *session) for client in clients), return_exceptions=True)
    await wire.until(lambda: sum(client.closed is None for client in clients) == 1, what="nine closed")
    (winner,) = (client for client in clients if client.closed is None)
    assert winner.started is not None
    assert winner.started.resumed
    await winner.wait_count(5)
    winner.assert_gap_free(2)
    assert [wire.business(push).data for push in winner.notifies] == [b"0", b"1", b"2", b"3", b"4"]
