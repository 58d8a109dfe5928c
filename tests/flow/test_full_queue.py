"""A request whose queue is full: refused before its payload is parsed, and as well as any other (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import CloseCode, SyncHint
from quicgw_fast.proto import client_pb2 as pb
from tests.flow.house import msg_id_of
from tests.support.wire import business, error, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]

NO_MESSAGE = b"\xff\xff\xff"
"""A payload that is not a valid BusinessRequest."""


async def full(make_house: MakeHouse, **limits: float) -> tuple[House, Client]:
    """A house whose queue is full, and a client that is logged in; the last number that it got is 1."""
    house = await make_house(processor={"max_workers": 2, "max_queue_size": 1}, limits=limits)
    client = await house.online()
    house.upstream.held.add("slow")
    others = [await house.online(openid) for openid in ("bob", "carol", "dave")]
    for other in others:
        other.call("slow")
        await house.settle()
    assert house.stats("processor")["queue_length"] == 1
    return house, client


async def test_a_payload_is_not_parsed_for_a_refusal(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    refused = client.call("", payload=NO_MESSAGE)
    assert client.error_of(refused).error_code == 503
    for call in house.upstream.waiting():
        call.answer()
    await house.settle()
    parsed = client.call("", payload=NO_MESSAGE)
    assert client.error_of(parsed).error_code == 400


async def test_the_refusal_is_told_as_ever(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    for number in range(2, 5):
        seq = client.call("echo")
        push = client.reply(seq)
        assert (push.type, push.seq_id, dict(push.headers)) == (pb.PUSH_ERROR, number, {"retry-after-ms": "1000"})
        assert error(push) == pb.ErrorMessage(
            error_code=503, error_message="overloaded", detail="the queue of requests is full"
        )
    assert house.count("queue_full") == house.count("refused", "queue", "queue-full") == 3
    assert house.stats("processor")["rejected"] == 3
    assert house.accounts()["responses"]["lost"] == 0


async def test_it_takes_the_clients_number_and_no_other_one_does(make_house: MakeHouse) -> None:
    _, client = await full(make_house)
    client.call("echo")
    wrong = client.call("echo", seq=client.seq + 5)
    assert client.error_of(wrong).detail == f"expected {client.seq + 1}, got {wrong}"
    assert client.error_of(client.call("echo")).error_code == 503


async def test_what_is_bound_to_it_goes_with_it(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    await house.push(content="before", hint=SyncHint.BEFORE_RESPONSE, client_seq=client.seq + 1)
    await house.push(content="after", hint=SyncHint.AFTER_RESPONSE, client_seq=client.seq + 1)
    client.call("echo")
    assert client.texts == ["before", "error 503", "after"]
    assert client.numbers == [2, 3, 4]


@pytest.mark.parametrize("action", ["hello", "HellO"])
async def test_a_login_has_a_queue_of_its_own(make_house: MakeHouse, action: str) -> None:
    house, client = await full(make_house)
    seq = client.call(action)
    await house.settle()
    assert business(client.reply(seq)).code == 200


async def test_what_comes_behind_a_login_waits_for_it_first(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    house.upstream.held.add("hello")
    client.call("hello")
    behind = client.call("echo")
    await house.settle()
    assert not client.replies(behind)
    next(call for call in house.upstream.waiting() if call.request.action == "hello").answer()
    await house.settle()
    assert client.error_of(behind).error_code == 503


async def test_who_is_not_logged_in_is_told_that(make_house: MakeHouse) -> None:
    house, _ = await full(make_house)
    stranger = house.started("eve")
    assert stranger.error_of(stranger.call("echo")).error_code == 401


async def test_a_limit_of_the_session_comes_first(make_house: MakeHouse) -> None:
    _, client = await full(make_house, messages_per_second=1, message_burst=3)
    codes = [client.error_of(client.call("echo")).error_code for _ in range(4)]
    assert codes == [503, 503, 429, 429]


async def test_who_has_no_worker_still_gets_the_last_free_one(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 2, "max_queue_size": 1})
    greedy, modest = await house.online("greedy"), await house.online("modest")
    house.upstream.held.add("slow")
    for _ in range(2):
        greedy.call("slow")
    await house.settle()
    assert greedy.error_of(greedy.call("echo")).error_code == 503
    seq = modest.call("echo")
    await house.settle()
    assert business(modest.reply(seq)).code == 200


async def test_with_a_full_queue_reading_rests_for_what_is_refused_until_half_of_it_is_free(
    make_house: MakeHouse,
) -> None:
    house = await make_house(processor={"max_workers": 1, "max_queue_size": 2})
    client = await house.online()
    pace = house.path.pace
    house.upstream.held.add("slow")
    for waiting in range(2):
        client.call("slow")
        await house.settle()
        assert pace.rest(0.001) == 0.0, f"{waiting} of 2 wait"
    client.call("slow")
    assert pace.rest(0.001) == 0.0, "nothing was refused yet"
    client.call("slow")
    assert pace.rest(0.001) > 0.0
    assert not pace.over()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert pace.over()
    assert pace.rest(0.001) == 0.0


# Many at once


def message(seq: int, action: str = "echo") -> bytes:
    payload = pb.BusinessRequest(action=action).SerializeToString()
    request = pb.ClientRequest(msg_id=msg_id_of(seq), seq_id=seq, type=pb.REQUEST_BUSINESS, payload=payload)
    return frame(request.SerializeToString())


async def test_many_that_come_together_are_refused_in_one_step(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    writes, requests = client.link.writes, house.count("requests")
    client.raw(b"".join(message(seq) for seq in range(2, 22)))
    assert client.link.writes == writes + 1
    assert [client.error_of(seq).error_code for seq in range(2, 22)] == [503] * 20
    assert client.numbers == list(range(2, 22))
    assert house.count("requests") == requests + 20
    assert house.count("errors") == house.count("queue_full") == 20
    assert house.count("refused", "queue", "queue-full") == house.stats("processor")["rejected"] == 20


async def test_what_comes_between_them_is_taken_in_its_turn(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    payload = pb.HeartbeatRequest(client_timestamp=7).SerializeToString()
    beat = frame(pb.ClientRequest(msg_id=7, type=pb.REQUEST_HEARTBEAT, payload=payload).SerializeToString())
    client.raw(message(2) + message(3) + beat + message(4, "hello") + message(5) + message(9))
    assert [push.msg_id for push in client.link.sent[-4:]] == [msg_id_of(2), msg_id_of(3), 7, msg_id_of(9)]
    assert client.error_of(9).detail == "expected 6, got 9"
    await house.settle()
    assert business(client.reply(4)).code == 200
    assert client.error_of(5).error_code == 503


async def test_a_flood_of_them_is_closed_as_any_other(make_house: MakeHouse) -> None:
    house, client = await full(make_house, messages_per_second=1, message_burst=10)
    seq = 2
    while client.ended is None:
        client.raw(b"".join(message(number) for number in range(seq, seq + 50)))
        client.ack(client.numbers[-1])
        seq += 50
        assert seq < 5000
    assert client.ended is CloseCode.OVERLOADED
    assert house.count("refused", "request", "request-flood") == 1


async def test_while_the_gateway_stops_that_is_what_they_are_told(make_house: MakeHouse) -> None:
    house, client = await full(make_house)
    house.path.draining.active = house.path.draining.refusing = True
    client.raw(message(2) + message(3))
    assert client.error_of(3).detail == "the gateway is stopping"


# A queue that stands

NO_BOUND = {"in_flight": 1000, "messages_per_second": 1e6, "message_burst": 1_000_000}
"""Of ``[limits]``: what is about the queue must not be about these."""


async def standing(make_house: MakeHouse, **sections: dict[str, object]) -> tuple[House, Client]:
    """A house with services so slow that its queue stands, and the client whose requests wait in it."""
    processor = {"max_workers": 2, "queue_target": "100ms", "queue_interval": "1s"}
    sections = {"processor": processor, "limits": NO_BOUND, **sections}
    house = await make_house(**sections)
    greedy = await house.online("greedy")
    house.upstream.held.add("slow")
    greedy.raw(b"".join(message(seq, "slow") for seq in range(2, 202)))
    greedy.seq = 201
    for _ in range(50):
        await house.settle()
        house.clock.advance(0.1)
        house.upstream.waiting()[0].answer()
    await house.settle()
    stats = house.stats("processor")
    assert stats["queue_length"] == 149
    return house, greedy


async def test_of_who_waits_in_it_nothing_more_is_taken(make_house: MakeHouse) -> None:
    house, greedy = await standing(make_house)
    seq = greedy.call("echo")
    assert greedy.error_of(seq).detail == "the queue of requests stands"
    assert int(greedy.reply(seq).headers["retry-after-ms"]) == pytest.approx(149 * 100, rel=0.1)
    assert house.count("refused", "queue", "queue-delay") == 1


async def test_what_waits_already_is_served(make_house: MakeHouse) -> None:
    house, greedy = await standing(make_house)
    house.upstream.held.clear()
    house.upstream.waiting()[0].answer()
    for _ in range(20):
        await house.settle()
    assert greedy.texts == ["200 "] * 200
    seq = greedy.call("echo")
    await house.settle()
    assert business(greedy.reply(seq)).code == 200


async def test_a_rule_that_only_counts_lets_them_wait(make_house: MakeHouse) -> None:
    house, greedy = await standing(make_house, overload={"observe": ["queue-delay"]})
    seq = greedy.call("echo")
    await house.settle()
    assert not greedy.replies(seq)
    assert house.count("queue_full") == 0
    assert house.count("would_reject", "queue", "queue-delay") > 0


async def test_who_asks_for_little_has_a_place_while_others_flood(make_house: MakeHouse) -> None:
    """And is served in its turn: it waits for one request of each session, not for all of them."""
    processor = {"max_workers": 2, "queue_target": "100ms", "queue_interval": "10s"}
    house, greedy = await standing(make_house, processor=processor)
    modest = await house.online("modest")
    for _ in range(55):
        house.clock.advance(0.1)
        house.upstream.waiting()[0].answer()
        await house.settle()
    assert greedy.error_of(greedy.call("slow")).detail == "the queue of requests stands"
    house.upstream.held.add("first")
    first, second, third = modest.call("first"), modest.call("echo"), modest.call("echo")
    assert modest.error_of(third).detail == "the queue of requests stands"
    await house.settle()
    house.upstream.waiting("first")[0].answer()
    await house.settle()
    assert business(modest.reply(first)).code == 200
    assert business(modest.reply(second)).code == 200
