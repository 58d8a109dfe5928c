"""What is pushed to an openid with several devices, stored for it, and bound (protocol §2, §4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import LostReason, PushCode, PushOutcome, ResetReason, SyncHint
from quicgw_fast.proto.service_pb2 import UnicastPushRequest
from quicgw_fast.session import SessionState
from quicgw_fast.store import MemoryStore
from tests.flow.devices import texts
from tests.flow.receipts import ACKNOWLEDGED, PENDING, lost, waiting
from tests.flow.slow_store import SlowStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


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


@pytest.mark.parametrize("number", [1, 2])
async def test_what_is_wrong_with_a_push_is_told_whoever_it_is_for(three: House, number: int) -> None:
    for _ in range(number):
        await three.online()
    for fields, code in (({"hint": 9}, "BAD_SYNC_HINT"), ({"supersede_key": "k" * 65}, "BAD_OPTIONS")):
        told = await three.push(**fields)  # type: ignore[arg-type]
        assert (told.success, told.error_code, told.sessions) == (False, code, 0)
        assert told.pending_bytes == 0


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
