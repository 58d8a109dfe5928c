"""Several devices of one openid: who comes in, and who goes for it (protocol §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode, ResetReason
from quicgw_fast.flow.reconfiguring import reconfigure
from quicgw_fast.session import SessionState
from tests.flow.devices import assert_refused_start, texts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


# Several


async def test_each_device_has_a_session_with_its_own_numbers(three: House) -> None:
    clients = [await three.online() for _ in range(3)]
    assert len({client.answer.connection_id for client in clients}) == 3
    assert {client.answer.reset_reason for client in clients} == {ResetReason.NONE}
    assert [client.ended for client in clients] == [None] * 3
    clients[1].call("echo", b"mine")
    await three.settle()
    told = await three.push()
    assert (told.success, told.message, told.sessions, told.seq_id) == (True, "sent", 3, 0)
    assert texts(*clients) == [["n"], ["200 mine", "n"], ["n"]]
    assert [client.numbers for client in clients] == [[2], [2, 3], [2]]
    assert three.count("notifies") == 3


async def test_one_more_takes_the_place_of_the_one_that_attached_longest_ago(three: House) -> None:
    first, second, third = [await three.online() for _ in range(3)]
    again = three.back(first, 1)
    assert again.answer.resumed
    assert first.ended is CloseCode.SUPERSEDED
    fourth = await three.online()
    assert second.ended is CloseCode.SUPERSEDED
    assert second.link.ended is not None
    assert second.link.ended[1] == "SUPERSEDED: another device came, and 3 may be there"
    assert second.session.state is SessionState.CLOSED
    assert [client.ended for client in (again, third, fourth)] == [None] * 3
    assert (await three.push()).sessions == 3


async def test_a_device_that_is_there_does_not_go_for_one_that_is_not(three: House) -> None:
    first, second, third = [await three.online() for _ in range(3)]
    third.link.lose()
    for _ in range(3):  # a program that is started again and again
        one = await three.online()
        one.link.lose()
    assert [client.ended for client in (first, second)] == [None] * 2
    assert third.session.state is SessionState.CLOSED
    assert len(three.path.registry) == 3


async def test_each_device_resumes_its_own_session(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    for client in (first, second):
        client.link.lose()
    first.session.outbox.accept(2)
    assert (await three.push(content="both")).message == "retained"
    assert (await three.push(first.session.id, "one", kind="session")).message == "retained"
    back = [three.back(client, 1) for client in (second, first)]
    assert [client.answer.resumed for client in back] == [True, True]
    assert texts(*back) == [["both"], ["both", "one"]]
    assert len(three.path.registry) == 2


async def test_a_device_that_cannot_go_on_replaces_its_own_session_alone(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    first.link.lose()
    reset = three.back(first, 99)
    assert reset.answer.reset_reason == ResetReason.FUTURE_ACK
    assert first.session.state is SessionState.CLOSED
    assert second.ended is None
    assert len(three.path.registry) == 2


async def test_a_number_alone_names_no_session(three: House) -> None:
    first = await three.online()
    first.link.lose()
    other = three.back(first, 1, by_session=False)
    assert (other.answer.resumed, other.answer.reset_reason) == (False, ResetReason.UNKNOWN_SESSION)
    assert other.answer.replay_from == 2
    assert first.session.state is SessionState.NORMAL, "its own client can still come back to it"
    assert three.back(first, 1).answer.resumed


async def test_an_older_attempt_of_one_device_changes_nothing_of_any(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    claim = (first.answer.connection_id, first.answer.epoch)
    newer, late = three.connect(), three.connect()
    assert newer.start("alice", 1, *claim, attempt=5).resumed
    second_claim = (second.answer.connection_id, second.answer.epoch)
    assert three.connect().start("alice", 1, *second_claim, attempt=2).resumed
    assert late.start("alice", 1, *claim, attempt=4).error.error_code == 403
    assert late.ended is CloseCode.SUPERSEDED
    assert newer.ended is None


async def test_broadcasts_reach_every_device(three: House) -> None:
    clients = [await three.online() for _ in range(2)]
    assert (await three.broadcast()).sent_count == 2
    assert texts(*clients) == [["b"], ["b"]]


async def test_a_gid_is_one_sessions(three: House) -> None:
    clients = []
    for gid in ("phone", "laptop"):
        client = three.started()
        three.upstream.held.add("hello")
        client.call("hello")
        await three.settle()
        three.upstream.waiting("hello")[0].answer(gid=gid)
        await three.settle()
        client.link.sent.clear()
        clients.append(client)
    told = await three.push("phone", kind="gid")
    assert (told.sessions, told.message) == (1, "sent")
    assert texts(*clients) == [["n"], []]


async def test_kicking_an_openid_ends_all_and_an_id_ends_one(three: House) -> None:
    first, second, third = [await three.online() for _ in range(3)]
    assert three.path.kicks.kick(session_id=first.session.id) == 1
    assert [client.ended for client in (first, second, third)] == [CloseCode.KICKED, None, None]
    assert three.path.kicks.kick(openid="alice") == 2
    assert [client.ended for client in (second, third)] == [CloseCode.KICKED] * 2
    assert three.path.kicks.kick(openid="alice") == 0
    assert three.path.kicks.kick(session_id=first.session.id) == 0
    assert three.count("sessions_kicked") == 3


async def test_one_stops_and_the_others_stay(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    first.stop()
    assert (await three.push()).sessions == 1
    assert second.texts == ["n"]


async def test_a_session_whose_window_passed_is_no_device_any_more(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    first.link.lose()
    three.clock.advance(121.0)
    assert (await three.push()).sessions == 1
    assert first.session.state is SessionState.CLOSED
    assert second.texts == ["n"]


# Another policy


async def test_another_policy_counts_for_those_who_come(make_house: MakeHouse) -> None:
    house = await make_house()
    first = await house.online()

    def take(devices: str | int) -> None:
        session = house.config.session.model_copy(update={"devices": devices})
        reconfigure(house.path, house.config.model_copy(update={"session": session}), house.authenticator)

    take(2)
    second = await house.online()
    assert first.ended is None
    take("refuse")
    assert_refused_start(house)
    assert (first.ended, second.ended) == (None, None)
    take("newest")
    assert house.back(first, 1).answer.resumed, "nobody has to go for one that was there before"
    assert second.ended is None
    third = house.started()
    assert third.answer.success
    assert second.ended is CloseCode.SUPERSEDED
    assert len(house.path.registry) == 1
