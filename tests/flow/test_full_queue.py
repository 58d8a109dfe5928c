"""A request whose queue is full: refused before its payload is parsed, and as well as any other (protocol §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import SyncHint
from quicgw_fast.proto import client_pb2 as pb
from tests.support.wire import business, error

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


async def test_with_a_full_queue_reading_rests_until_half_of_it_is_free(make_house: MakeHouse) -> None:
    house = await make_house(processor={"max_workers": 1, "max_queue_size": 2})
    client = await house.online()
    pace = house.path.pace
    house.upstream.held.add("slow")
    for waiting in range(2):
        client.call("slow")
        await house.settle()
        assert pace.rest(0.001) == 0.0, f"{waiting} of 2 wait"
    client.call("slow")
    assert pace.rest(0.001) > 0.0
    assert not pace.over()
    house.upstream.waiting()[0].answer()
    await house.settle()
    assert pace.over()
    assert pace.rest(0.001) == 0.0
