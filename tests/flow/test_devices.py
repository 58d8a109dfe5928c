"""Several devices of one openid, or one that stays: who comes in, who goes, who gets what is pushed (protocol §2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.codes import CloseCode, LostReason, PushCode, PushOutcome, RequestType, ResetReason, SyncHint
from quicgw_fast.config import OfflineConfig
from quicgw_fast.flow.reconfiguring import reconfigure
from quicgw_fast.placement import HERE
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import UnicastPushRequest
from quicgw_fast.session import SessionState
from quicgw_fast.store import MemoryStore, SqliteStore
from tests.flow.endings import answered, away, until
from tests.flow.receipts import ACKNOWLEDGED, PENDING, lost, waiting
from tests.flow.slow_store import SlowStore
from tests.placement.slow import SlowPlacement
from tests.store.test_sqlite import Gate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.flow.house import Client, House

    MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def three(make_house: MakeHouse) -> House:
    """A house where an openid may have three devices."""
    return await make_house(session={"devices": 3})


@pytest.fixture
async def refusing(make_house: MakeHouse) -> House:
    return await make_house(session={"devices": "refuse"})


def texts(*clients: Client) -> list[list[str]]:
    return [client.texts for client in clients]


def assert_refused(client: Client) -> None:
    answer = client.answer
    assert (answer.success, answer.error.error_code, answer.connection_id) == (False, 403, "")
    assert client.answer_headers == {"error-code": "ALREADY_ONLINE"}
    assert client.ended is CloseCode.ALREADY_ONLINE


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


# What is pushed


async def test_a_push_is_taken_when_one_device_takes_it(make_house: MakeHouse) -> None:
    house = await make_house(session={"devices": 2, "window_messages": 2})
    full, other = [await house.online() for _ in range(2)]
    for _ in range(2):
        assert (await house.push(full.session.id, kind="session")).success
    told = await house.push(content="both")
    assert (told.success, told.sessions, told.error_code) == (True, 1, "")
    assert other.texts == ["both"]
    await house.push(content="both")
    told = await house.push(content="both")
    assert (told.success, told.sessions, told.error_code) == (False, 0, PushCode.WINDOW_FULL)
    assert told.pending_bytes == max(client.session.outbox.memory for client in (full, other))
    assert house.count("pushes_refused") == 1


async def test_what_one_waits_for_by_login_another_has_at_once(three: House) -> None:
    before, there = three.started(), await three.online()
    told = await three.push()
    assert (told.sessions, told.message) == (2, "sent")
    before.call("hello")
    await three.settle()
    assert texts(before, there) == [["200 ", "n"], ["n"]]


async def test_what_is_bound_goes_to_the_session_that_asked(three: House) -> None:
    three.upstream.held.add("slow")
    asks, other = [await three.online() for _ in range(2)]
    seq = asks.call("slow")
    await three.settle()
    for hint, text in ((SyncHint.BEFORE_RESPONSE, "before"), (SyncHint.AFTER_RESPONSE, "after")):
        told = await three.push(content=text, hint=hint, client_seq=seq)
        assert (told.success, told.message, told.sessions) == (True, "bound", 1)
    three.upstream.waiting()[0].answer()
    await three.settle()
    assert texts(asks, other) == [["before", "200 ", "after"], []]


async def test_where_it_is_not_clear_who_asked_the_session_has_to_be_named(three: House) -> None:
    three.upstream.held.add("slow")
    clients = [await three.online() for _ in range(2)]
    none = await three.push(hint=SyncHint.AFTER_RESPONSE, client_seq=2)
    assert (none.success, none.error_code) == (False, PushCode.SESSION_REQUIRED)
    for client in clients:
        client.call("slow")
    await three.settle()
    both = await three.push(hint=SyncHint.BEFORE_RESPONSE, client_seq=2, wait_ack_ms=100)
    assert (both.success, both.error_code) == (False, PushCode.SESSION_REQUIRED)
    assert three.count("push_receipts_open") == 0
    nothing = await three.push(hint=SyncHint.BEFORE_RESPONSE)
    assert nothing.error_code == "BIND_SEQ_REQUIRED"
    named = await three.push(clients[1].session.id, "mine", kind="session", hint=SyncHint.BEFORE_RESPONSE, client_seq=2)
    assert named.message == "bound"
    for call in three.upstream.waiting():
        call.answer()
    await three.settle()
    assert texts(*clients) == [["200 "], ["mine", "200 "]]


# What somebody asks for with a push


async def test_it_is_acknowledged_when_one_device_has_it(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    push = await waiting(three)
    assert push.waits
    second.ack(2)
    await three.settle()
    assert push.told == ACKNOWLEDGED
    assert (push.answer.sessions, push.answer.seq_id) == (2, 0)
    first.ack(2)
    await three.settle()
    assert three.count("push_receipts", "acknowledged", "none") == 1


async def test_it_is_lost_with_the_last_device(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    push = await waiting(three)
    first.stop()
    await three.settle()
    assert push.waits
    three.path.kicks.kick(session_id=second.session.id)
    await three.settle()
    assert push.told == lost(LostReason.SESSION_ENDED)


async def test_a_copy_that_was_refused_is_not_waited_for(make_house: MakeHouse) -> None:
    house = await make_house(session={"devices": 2, "window_messages": 2})
    full, other = [await house.online() for _ in range(2)]
    for _ in range(2):
        await house.push(full.session.id, kind="session")
    push = await waiting(house)
    other.stop()
    await house.settle()
    assert push.told == lost(LostReason.SESSION_ENDED)
    refused = await waiting(house)
    assert refused.answer.error_code == PushCode.WINDOW_FULL
    assert refused.answer.outcome == PushOutcome.NOT_ASKED
    assert house.count("push_receipts_open") == 0


async def test_it_is_pending_when_no_device_says_anything(three: House) -> None:
    for _ in range(2):
        await three.online()
    push = await waiting(three, wait_ack_ms=1000)
    await three.pass_time(1.1)
    assert push.told == PENDING


async def test_a_receipt_follows_its_copy_through_the_offline_store(make_house: MakeHouse) -> None:
    house = await make_house(session={"devices": 2}, store=MemoryStore())
    first, second = [await house.online() for _ in range(2)]
    second.link.lose()
    push = await waiting(house)
    first.stop()
    await house.settle()
    house.path.kicks.kick(session_id=second.session.id)
    await house.settle()
    assert push.waits, "it waits in the store"
    client = await house.online()
    client.ack(2)
    await house.settle()
    assert push.told == ACKNOWLEDGED


async def test_the_same_key_is_sent_once_to_each(three: House) -> None:
    first, second = [await three.online() for _ in range(2)]
    answers = [await three.push(idempotency_key="k") for _ in range(2)]
    assert [answer.sessions for answer in answers] == [2, 2]
    assert texts(first, second) == [["n"], ["n"]]


async def test_a_newer_state_replaces_the_unsent_one_of_each_device(three: House) -> None:
    first, second, there = [await three.online() for _ in range(3)]
    for client in (first, second):
        client.link.lose()
    for state in ("old", "new"):
        assert (await three.push(content=state, supersede_key="state")).sessions == 3
    assert there.texts == ["old", "new"]
    assert texts(three.back(first, 1), three.back(second, 1)) == [["new"], ["new"]]
    assert three.count("pushes_superseded") == 2


async def test_a_time_to_live_is_that_of_each_copy(three: House) -> None:
    away, there = [await three.online() for _ in range(2)]
    away.link.lose()
    push = await waiting(three, ttl_ms=1000)
    await three.pass_time(1.1)
    assert push.waits, "one device got it in time"
    there.ack(2)
    await three.settle()
    assert push.told == ACKNOWLEDGED
    assert three.back(away, 1).texts == []
    assert three.count("pushes_expired") == 1


async def test_a_batch_answers_for_all_devices_of_each(three: House) -> None:
    clients = [await three.online() for _ in range(2)]
    taken = await three.path.services.pushes.batch(
        [pb_push("alice", text) for text in ("a", "b")] + [pb_push("nobody", "c")]
    )
    assert [one.answer.sessions for one in taken] == [2, 2, 0]
    assert texts(*clients) == [["a", "b"], ["a", "b"]]


def pb_push(openid: str, text: str) -> UnicastPushRequest:
    return UnicastPushRequest(target_type="openid", target_id=openid, msg_type="t", content=text)


# The offline store


async def test_what_was_stored_goes_to_the_first_device_that_logs_in(make_house: MakeHouse) -> None:
    house = await make_house(session={"devices": 3}, store=MemoryStore())
    for text in ("a", "b"):
        assert (await house.push(content=text)).message == "stored"
    first, second = house.started(), house.started()
    for client in (first, second):
        client.call("hello")
    await house.settle()
    assert texts(first, second) == [["200 ", "a", "b"], ["200 "]]
    first.ack(2)
    await house.settle()
    third = house.started()
    third.call("hello")
    await house.settle()
    assert third.texts == ["200 "], "the first one lives and may acknowledge it yet"
    first.link.lose()
    house.path.kicks.kick(session_id=first.session.id)
    second.stop()
    fourth = house.started()
    fourth.call("hello")
    await house.settle()
    assert fourth.texts == ["200 ", "b"], "as with one device: it comes again until it is acknowledged"
    accounts = house.accounts()["notifies"]
    assert accounts["accepted"] == accounts["delivered"] + accounts["lost"] + accounts["open"] + accounts["stored"]


async def test_what_is_acknowledged_while_another_device_reads_comes_once(make_house: MakeHouse) -> None:
    store = SlowStore()
    house = await make_house(session={"devices": 2}, store=store)
    await house.push(content="a")
    slow, quick = house.started(), house.started()
    store.shut("load")
    slow.call("hello")
    await house.settle()
    gate = store.gates.pop("load")
    quick.call("hello")
    await house.settle()
    quick.ack(2)
    await house.settle()
    gate.set()
    await house.settle()
    assert texts(slow, quick) == [["200 "], ["200 ", "a"]]
    assert (await house.push(content="b")).sessions == 2
    assert texts(slow, quick) == [["200 ", "b"], ["200 ", "a", "b"]]


async def test_a_push_that_is_stored_while_devices_come_goes_to_one_of_them(make_house: MakeHouse) -> None:
    store = SlowStore()
    house = await make_house(session={"devices": 2}, store=store)
    store.shut("put")
    pushing = asyncio.ensure_future(house.push(content="a"))
    await house.settle()
    clients = [await house.online() for _ in range(2)]
    store.open("put")
    await house.settle()
    assert (await pushing).message == "stored"
    assert sorted(texts(*clients)) == [[], ["a"]]


async def test_what_a_device_was_owed_waits_for_the_next_login(make_house: MakeHouse) -> None:
    house = await make_house(session={"devices": 2}, store=MemoryStore())
    away, there = [await house.online() for _ in range(2)]
    away.link.lose()
    assert (await house.push(content="a")).sessions == 2
    await house.pass_time(121.0)
    assert away.session.state is SessionState.CLOSED
    assert there.texts == ["a"]
    back = house.back(away, 1)
    assert back.answer.reset_reason == ResetReason.EXPIRED
    back.call("hello")
    await house.settle()
    assert back.texts == ["200 ", "a"]


# One that stays


async def test_whoever_else_comes_is_refused_while_one_is_online(refusing: House) -> None:
    first = await refusing.online()
    for claim in ((0, "", ""), (1, "", ""), (1, "f" * 32, ""), (0, "", "e")):
        other = refusing.connect()
        other.start("alice", *claim)
        assert_refused(other)
    assert first.ended is None
    assert (await refusing.push()).message == "sent"
    assert refusing.count("starts_online_elsewhere") == refusing.count("starts_refused") == 4
    assert len(refusing.path.registry) == 1
    assert refusing.started("bob").ended is None


async def test_its_own_client_comes_back_whether_it_is_attached_or_not(refusing: House) -> None:
    first = await refusing.online()
    second = refusing.back(first, 1)
    assert second.answer.resumed
    assert first.ended is CloseCode.SUPERSEDED
    second.link.lose()
    third = refusing.back(first, 1)
    assert third.answer.resumed
    reset = refusing.back(first, 99)
    assert reset.answer.reset_reason == ResetReason.FUTURE_ACK
    assert third.ended is CloseCode.SUPERSEDED


async def test_nobody_is_refused_by_who_is_not_there(refusing: House) -> None:
    first = await refusing.online()
    first.link.lose()
    other = refusing.started()
    assert first.session.state is SessionState.CLOSED
    other.link.lose()
    old = refusing.connect()
    assert old.start("alice", 0 + 1).reset_reason == ResetReason.FUTURE_ACK, (
        "an old client's number means the one there"
    )
    assert_refused_start(refusing)
    back = refusing.back(first, 1)
    assert_refused(back)  # it was replaced, and another one is there now


def assert_refused_start(house: House) -> None:
    other = house.connect()
    other.start("alice")
    assert_refused(other)


async def test_a_refused_start_is_not_the_highest_attempt_seen(refusing: House) -> None:
    first = await refusing.online()
    other = refusing.connect()
    other.start("alice", 0, "", "e", attempt=9)
    assert_refused(other)
    first.stop()
    again = refusing.connect()
    assert again.start("alice", 0, "", "e", attempt=3).success


# STARTs that wait for an answer of somebody else


@pytest.fixture
def placement() -> SlowPlacement:
    return SlowPlacement()


def come(house: House, **claim: Any) -> Client:
    client = house.connect()
    client.send(RequestType.START, pb.StartRequest(openid="alice", **claim).SerializeToString(), msg_id=7)
    return client


def waits(client: Client) -> bool:
    return not client.link.sent and client.ended is None


async def test_devices_that_come_at_once_wait_beside_each_other(
    make_house: MakeHouse, placement: SlowPlacement
) -> None:
    house = await make_house(session={"devices": 3}, placement=placement)
    clients = [come(house) for _ in range(4)]
    assert clients[0].started(7).error.error_code == 403
    assert clients[0].ended is CloseCode.SUPERSEDED
    assert [waits(client) for client in clients[1:]] == [True] * 3
    for question in reversed(placement.claims):
        question.answer()
        await house.settle()
    answers = [client.started(7) for client in clients[1:]]
    assert [answer.success for answer in answers] == [True] * 3
    assert len(house.path.registry) == 3


async def test_a_newer_start_of_a_device_takes_its_own_place_alone(
    make_house: MakeHouse, placement: SlowPlacement
) -> None:
    house = await make_house(session={"devices": 3}, placement=placement)
    placement.known["alice"] = HERE
    mine = await house.online()
    del placement.known["alice"]
    other = come(house)
    claim = {"session_id": mine.answer.connection_id, "epoch": mine.answer.epoch, "last_acked_seq_id": 1}
    older = come(house, attempt=1, **claim)
    newer = come(house, attempt=2, **claim)
    assert older.ended is CloseCode.SUPERSEDED
    assert waits(other)
    late = come(house, attempt=1, **claim)
    assert late.started(7).error.error_message == "outdated START"
    for question in placement.claims:
        question.answer()
    await house.settle()
    assert newer.started(7).resumed
    assert other.started(7).success
    assert len(house.path.registry) == 2


async def test_of_those_that_come_at_once_the_first_stays(make_house: MakeHouse, placement: SlowPlacement) -> None:
    house = await make_house(session={"devices": "refuse"}, placement=placement)
    first, second = come(house), come(house)
    second.started(7)
    assert_refused(second)
    assert waits(first)
    first.link.lose()
    third = come(house)
    assert waits(third)
    for question in placement.claims:
        question.answer()
    await house.settle()
    assert third.started(7).success
    assert len(house.path.registry) == 1


async def test_who_comes_back_meanwhile_is_not_sent_away(make_house: MakeHouse, placement: SlowPlacement) -> None:
    house = await make_house(session={"devices": "refuse"}, placement=placement)
    placement.known["alice"] = HERE
    mine = await house.online()
    mine.link.lose()
    del placement.known["alice"]
    other = come(house)
    placement.known["alice"] = HERE
    back = house.back(mine, 1)
    assert back.answer.resumed
    placement.claims[0].answer()
    await house.settle()
    assert back.ended is None
    assert other.ended is CloseCode.SUPERSEDED


async def test_devices_that_wait_for_the_store_come_in_together(make_house: MakeHouse, tmp_path: Path) -> None:
    disk = SqliteStore(tmp_path / "store.db", OfflineConfig.model_construct(store="sqlite", max_messages=1000))
    house = await make_house(session={"devices": 2}, store=disk)
    owed = await away(house, "alice", "kept")
    gate = await Gate.shut(disk)
    owed.session.detached_at = -1e6  # its end hands it over, and every START waits to hear of that
    clients = [come(house) for _ in range(3)]
    await house.settle()
    assert clients[0].ended is CloseCode.SUPERSEDED
    assert [answered(client) for client in clients[1:]] == [False, False]
    gate.opened.set()
    await until(lambda: all(answered(client) for client in clients))
    assert [client.started(7).success for client in clients] == [False, True, True]
    assert [client.ended for client in clients[1:]] == [None, None]
    for client in clients[1:]:
        client.call("hello")
    await until(lambda: sum(len(client.numbers) for client in clients) == 3)
    assert sorted(texts(*clients[1:])) == [["200 "], ["200 ", "kept"]]
    await disk.close()


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
