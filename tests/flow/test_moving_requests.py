"""Requests of a session that moves: they end where they run, and are answered where their client is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode, SyncHint
from quicgw_fast.errors import RequestError
from quicgw_fast.flow.abroad import GRACE
from quicgw_fast.session import SessionState
from tests.flow.street import move
from tests.support.wire import business

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from tests.flow.house import Client, House
    from tests.flow.street import Pair

    MakePair = Callable[..., Awaitable[Pair]]


async def calling(pair: Pair, *actions: str) -> Client:
    """A client whose calls of these actions are under way here."""
    client = await pair.here.online()
    pair.here.upstream.held |= set(actions)
    for action in actions:
        client.call(action, action.encode())
    await pair.here.settle()
    return client


async def test_a_request_ends_where_it_runs_and_is_answered_where_its_client_is(
    make_pair: MakePair,
) -> None:
    pair = await make_pair()
    client = await calling(pair, "slow")
    pair.move()
    again = pair.come_after(client, 1)
    assert pair.there.count("requests_elsewhere") == 1
    pair.here.upstream.waiting("slow")[0].answer(message="fine", data=b"it", one="header")
    await pair.here.settle()
    reply = again.reply(client.seq)
    assert (business(reply).message, business(reply).data, dict(reply.headers)) == ("fine", b"it", {"one": "header"})
    assert reply.seq_id == 2
    assert pair.here.count("replies_handed_on") == pair.there.count("replies_from_elsewhere") == 1
    assert pair.there.count("requests_elsewhere") == 0
    assert pair.here.path.request_memory.used == pair.there.path.request_memory.used == 0


async def test_an_error_is_handed_on_too(make_pair: MakePair) -> None:
    pair = await make_pair(processor={"task_timeout": 5.0})
    client = await calling(pair, "slow")
    pair.move()
    again = pair.come_after(client, 1)
    pair.here.upstream.waiting("slow")[0].fail(RequestError(ErrorCode.DEADLINE_PASSED, "deadline passed"))
    await pair.here.settle()
    assert again.error_of(client.seq).error_code == 504


async def test_what_waits_in_the_queue_runs_where_it_waits(make_pair: MakePair) -> None:
    pair = await make_pair(processor={"max_workers": 2})
    client = await calling(pair, "slow")
    waits = client.call("slow", b"later")
    pair.move()
    again = pair.come_after(client, 1)
    for _ in range(2):
        pair.here.upstream.waiting("slow")[0].answer()
        await pair.here.settle()
    assert business(again.reply(waits)).code == 200
    assert again.numbers == [2, 3]


async def test_it_finds_its_session_after_a_second_move_and_after_its_return(
    make_pair: MakePair,
) -> None:
    pair = await make_pair()
    client = await calling(pair, "slow", "slower")
    pair.move()
    move("alice", pair.there, pair.here, 2)
    pair.here.upstream.waiting("slow")[0].answer()
    await pair.here.settle()
    move("alice", pair.here, pair.there, 3)
    pair.here.upstream.waiting("slower")[0].answer()
    await pair.here.settle()
    again = pair.come_after(client, 1)
    assert again.numbers == [2, 3]
    assert not pair.street.undelivered


async def test_a_second_reply_is_left_out(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await calling(pair, "slow")
    pair.street.holds_back = True
    pair.move()
    again = pair.come_after(client, 1)
    pair.here.upstream.waiting("slow")[0].answer()
    await pair.here.settle()
    pair.street.on_the_way *= 2
    pair.street.deliver()
    assert again.numbers == [2]
    assert pair.there.count("replies_from_elsewhere_late") == 1


async def test_when_its_gateway_dies_the_outcome_is_unknown(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await calling(pair, "slow")
    await pair.here.push(content="before", hint=SyncHint.BEFORE_RESPONSE, client_seq=client.seq)
    pair.move()
    again = pair.come_after(client, 1)
    pair.there.path.moving.abroad.gateway_lost("another")
    assert not again.numbered
    pair.there.path.moving.abroad.gateway_lost("here")
    assert again.texts == ["before", "error 500"]
    assert again.error_of(client.seq).error_message == "outcome unknown"
    assert pair.there.count("replies_unknown") == 1


async def test_who_gave_a_session_on_answers_for_nothing_of_it(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await calling(pair, "slow")
    pair.move()
    move("alice", pair.there, pair.here, 2)
    pair.there.path.moving.abroad.gateway_lost("here")
    await pair.there.settle()
    pair.here.upstream.waiting("slow")[0].answer(data=b"known")
    await pair.here.settle()
    assert pair.here.back(client, 1).texts == ["200 known"]
    assert pair.there.count("replies_unknown") == 0


async def test_what_came_along_with_a_session_that_is_refused_is_forgotten_with_it(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = pair.here.started()
    pair.here.upstream.held.add("hello")
    client.call("hello")
    client.call("echo")
    await pair.here.settle()
    states = pair.here.path.moving.departures.depart(1, openid="alice")
    arrivals = pair.there.path.moving.arrivals
    (session,) = arrivals.arrive(states, "here")
    arrivals.discard(session)
    assert pair.there.path.request_memory.used == 0
    assert pair.there.count("logins_waiting_behind") == pair.there.count("requests_elsewhere") == 0


async def test_nobody_waits_for_ever(make_pair: MakePair) -> None:
    pair = await make_pair(processor={"task_timeout": 5.0})
    client = await calling(pair, "slow")
    pair.move()
    again = pair.come_after(client, 1)
    await pair.there.pass_time(5.0 + GRACE)
    assert not again.numbered
    await pair.there.pass_time(0.1)
    assert again.texts == ["error 500"]


async def test_services_push_to_the_gateway_that_called_them(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = await calling(pair, "slow")
    pair.move()
    again = pair.come_after(client, 1)
    for hint, kind, target in (
        (SyncHint.BEFORE_RESPONSE, "session", client.session.id),
        (SyncHint.AFTER_RESPONSE, "openid", "alice"),
    ):
        told = await pair.here.push(target, hint.name, hint, client.seq, kind)
        assert (told.success, told.message) == (True, "bound")
    pair.here.upstream.waiting("slow")[0].answer(data=b"reply")
    await pair.here.settle()
    assert again.texts == ["BEFORE_RESPONSE", "200 reply", "AFTER_RESPONSE"]
    assert pair.here.count("pushes_forwarded") == 2


# The login


async def test_a_hello_under_way_ends_where_the_session_is(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = pair.here.started()
    pair.here.upstream.held.add("hello")
    client.call("hello")
    client.call("echo", b"behind, here")
    await pair.here.settle()
    await pair.here.push(content="cached")
    pair.move()
    again = pair.come_after(client, 0)
    again.call("echo", b"behind, there")
    await pair.there.settle()
    assert not again.numbered
    pair.here.upstream.waiting("hello")[0].answer(zone="7", gid="friends")
    await pair.here.settle()
    assert again.texts == ["200 ", "cached", "200 behind, here", "200 behind, there"]
    assert again.session.state is SessionState.NORMAL
    assert again.session.zone == "7"
    assert (await pair.there.push("friends", kind="gid")).success
    assert pair.here.path.request_memory.used == pair.there.path.request_memory.used == 0


async def test_a_hello_whose_gateway_dies_is_one_that_failed(make_pair: MakePair) -> None:
    pair = await make_pair()
    client = pair.here.started()
    pair.here.upstream.held.add("hello")
    client.call("hello")
    client.call("echo")
    await pair.here.settle()
    pair.move()
    again = pair.come_after(client, 0)
    pair.there.path.moving.abroad.gateway_lost("here")
    assert again.texts == ["error 500", "error 401"]
    again.call("hello")
    await pair.there.settle()
    pair.there.upstream.waiting("hello")[-1].answer()
    await pair.there.settle()
    assert again.session.state is SessionState.NORMAL


# Ordered actions


async def test_ordered_actions_stay_in_order_across_a_move(make_pair: MakePair) -> None:
    pair = await make_pair(routing={"ordered": ["step"]})
    client = await calling(pair, "step")
    client.call("step", b"second")
    await pair.here.settle()
    pair.move()
    again = pair.come_after(client, 1)
    again.call("step", b"third")
    again.call("echo", b"not ordered")
    await pair.there.settle()
    assert again.texts == ["200 not ordered"]
    for name in (b"step", b"second", b"third"):
        (call,) = pair.here.upstream.waiting("step")
        assert call.request.data == name
        call.answer()
        await pair.here.settle()


# A gateway that knows no others


async def test_where_nobody_is_that_is_said(house: House, caplog: pytest.LogCaptureFixture) -> None:
    client = await house.online()
    house.upstream.held.add("slow")
    client.call("slow")
    await house.settle()
    house.path.moving.departures.depart(1, openid="alice")
    told = await house.push()
    assert (told.success, told.error_code) == (False, "TARGET_NOT_FOUND")
    assert "went to a gateway that is not known" in told.message
    house.upstream.waiting("slow")[0].answer()
    await house.settle()
    (record,) = [each for each in caplog.records if each.msg == "reply without a gateway"]
    assert (record.levelname, record.number, record.session) == ("ERROR", client.seq, client.session.id)  # type: ignore[attr-defined]
