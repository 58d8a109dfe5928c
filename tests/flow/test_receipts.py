"""A sender may wait until its client has acknowledged, or be told why that will not happen (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import LostReason, PushCode, PushOutcome, SyncHint
from quicgw_fast.config import OfflineConfig
from quicgw_fast.store import MemoryStore
from tests.flow.receipts import ACKNOWLEDGED, PENDING, lost, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.flow.house import House

    MakeHouse = Callable[..., Awaitable[House]]


async def test_nobody_is_told_who_does_not_ask(house: House) -> None:
    await house.online()
    told = await house.push()
    assert (told.outcome, told.lost_reason, told.seq_id) == (PushOutcome.NOT_ASKED, LostReason.NONE, 0)


async def test_a_push_is_answered_when_its_number_is_acknowledged(house: House) -> None:
    client = await house.online()
    first, second = await waiting(house), await waiting(house)
    assert client.numbers == [2, 3]
    assert first.waits
    client.ack(2)
    await house.settle()
    assert first.told == ACKNOWLEDGED
    assert (first.answer.message, first.answer.seq_id) == ("sent", 2)
    assert second.waits
    client.ack(3)
    await house.settle()
    assert second.told == ACKNOWLEDGED
    assert house.count("push_receipts", "acknowledged", "none") == 2
    assert house.count("push_receipts_open") == 0


async def test_one_acknowledgement_answers_all_up_to_it(house: House) -> None:
    client = await house.online()
    pushes = [await waiting(house) for _ in range(5)]
    client.ack(5)
    await house.settle()
    assert [push.waits for push in pushes] == [False] * 4 + [True]


async def test_it_is_pending_at_its_deadline(house: House) -> None:
    client = await house.online()
    push = await waiting(house, wait_ack_ms=5000)
    await house.pass_time(4.9)
    assert push.waits
    await house.pass_time(0.2)
    assert push.told == PENDING
    client.ack(2)  # nobody waits any more
    assert house.count("push_receipts_open") == 0


async def test_what_waits_for_the_login_is_followed_to_its_number(house: House) -> None:
    client = house.started()
    push = await waiting(house)
    await house.push(content="not asked")
    client.call("hello")
    await house.settle()
    assert push.waits
    client.ack(1)
    await house.settle()
    assert push.waits
    client.ack(2)
    await house.settle()
    assert push.told == ACKNOWLEDGED
    assert (push.answer.message, push.answer.seq_id) == ("cached", 2)


async def test_what_is_bound_is_followed_to_its_number(house: House) -> None:
    house.upstream.held.add("slow")
    client = await house.online()
    seq = client.call("slow")
    await house.settle()
    after = await waiting(house, hint=SyncHint.AFTER_RESPONSE, client_seq=seq)
    before = await waiting(house, hint=SyncHint.BEFORE_RESPONSE, client_seq=seq)
    house.upstream.waiting()[0].answer()
    await house.settle()
    client.ack(2)
    await house.settle()
    assert before.told == ACKNOWLEDGED
    assert after.waits
    client.ack(4)
    await house.settle()
    assert (after.told, after.answer.seq_id, after.answer.message) == (ACKNOWLEDGED, 4, "bound")


async def test_a_bind_that_expires_is_lost(make_house: MakeHouse) -> None:
    house = await make_house(session={"bind_timeout": 10.0})
    await house.online()
    push = await waiting(house, hint=SyncHint.BEFORE_RESPONSE, client_seq=9)
    await house.pass_time(10.1)
    assert push.told == lost(LostReason.BIND_EXPIRED)


async def test_a_bind_after_an_answered_request_has_its_number_at_once(house: House) -> None:
    client = await house.online()
    push = await waiting(house, hint=SyncHint.AFTER_RESPONSE, client_seq=1)
    client.ack(2)
    await house.settle()
    assert (push.told, push.answer.seq_id) == (ACKNOWLEDGED, 2)


async def test_it_waits_for_a_client_that_is_away_and_comes_back(house: House) -> None:
    client = await house.online()
    client.link.lose()
    push = await waiting(house)
    await house.pass_time(30.0)
    again = house.back(client, 1)
    await house.settle()
    assert again.numbers == [2]
    assert push.waits
    again.ack(2)
    await house.settle()
    assert (push.told, push.answer.message) == (ACKNOWLEDGED, "retained")


async def test_a_resume_acknowledges(house: House) -> None:
    client = await house.online()
    push = await waiting(house)
    client.link.lose()
    house.back(client, 2)
    await house.settle()
    assert push.told == ACKNOWLEDGED


@pytest.mark.parametrize("how", ["STOP", "expired", "kicked"])
async def test_it_is_lost_with_its_session(house: House, how: str) -> None:
    client = await house.online()
    pushes = [await waiting(house), await waiting(house, hint=SyncHint.BEFORE_RESPONSE, client_seq=9)]
    if how == "STOP":
        client.stop()
    elif how == "kicked":
        house.path.kicks.kick(openid="alice")
    else:
        client.link.lose()
        for _ in range(130):
            await house.pass_time(1.0)
    await house.settle()
    if how == "expired":  # the second waited for 60 s at most
        assert pushes[0].told == PENDING
        return
    assert [push.told for push in pushes] == [lost(LostReason.SESSION_ENDED)] * 2


async def test_it_is_lost_where_a_fresh_session_takes_over(house: House) -> None:
    await house.online()
    push = await waiting(house)
    house.started()
    await house.settle()
    assert push.told == lost(LostReason.REPLACED)


async def test_what_the_client_says_to_have_at_a_reset_is_acknowledged(house: House) -> None:
    """The reset is for another reason: the overflow."""
    client = await house.online()
    first, second = await waiting(house), await waiting(house)
    again = house.connect()
    again.start("alice", 2, client.answer.connection_id, client.answer.epoch)
    await house.settle()
    assert first.told == ACKNOWLEDGED
    house.started()
    await house.settle()
    assert second.told == lost(LostReason.REPLACED)


async def test_it_is_lost_when_the_session_overflows(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 3})
    client = await house.online()
    client.link.counts_pending = True
    push = await waiting(house)
    for _ in range(4):
        await house.broadcast()
    await house.settle()
    assert push.told == lost(LostReason.OVERFLOWED)


async def test_who_goes_away_frees_the_place(house: House) -> None:
    await house.online()
    push = await waiting(house)
    assert house.count("push_receipts_open") == 1
    push.task.cancel()
    await house.settle()
    assert house.count("push_receipts_open") == 0


async def test_there_are_so_many_for_a_client_and_in_all(make_house: MakeHouse) -> None:
    house = await make_house(push={"receipts": 3, "receipts_per_client": 2})
    alice, _ = await house.online(), await house.online("bob")
    places = [await waiting(house), await waiting(house)]
    refused = await house.push(wait_ack_ms=1000)
    assert (refused.success, refused.error_code) == (False, PushCode.RECEIPT_LIMIT)
    assert len(alice.numbers) == 2, "what is refused is not sent"
    places.append(await waiting(house, "bob"))
    assert (await house.push("bob", wait_ack_ms=1000)).error_code == PushCode.RECEIPT_LIMIT
    alice.ack(3)
    await house.settle()
    assert [push.waits for push in places] == [False, False, True]
    await waiting(house)
    assert (await house.push()).success


async def test_a_refused_push_has_no_place(make_house: MakeHouse) -> None:
    house = await make_house(session={"window_messages": 1})
    await house.online()
    await house.push()
    assert (await house.push(wait_ack_ms=1000)).error_code == PushCode.WINDOW_FULL
    assert (await house.push("nobody", wait_ack_ms=1000)).error_code == PushCode.TARGET_NOT_FOUND
    assert house.count("push_receipts_open") == 0


async def test_nobody_waits_longer_than_may_be(make_house: MakeHouse) -> None:
    house = await make_house(push={"longest_wait": 10.0})
    await house.online()
    refused = await house.push(wait_ack_ms=10_001)
    assert refused.error_code == PushCode.BAD_OPTIONS
    assert "10000" in refused.message


async def test_followed_without_a_time_it_is_waited_for_as_long_as_may_be(make_house: MakeHouse) -> None:
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest

    house = await make_house(push={"longest_wait": 10.0})
    await house.online()
    taken = await house.path.services.pushes.push(
        UnicastPushRequest(target_type="openid", target_id="alice"), follow=True
    )
    assert (taken.answer.seq_id, taken.waits) == (2, True)
    await house.pass_time(10.1)
    assert (await taken.settled()).outcome == PushOutcome.PENDING


# With an offline store


@pytest.fixture
def stored() -> MemoryStore:
    return MemoryStore()


async def test_what_is_stored_is_followed_through_the_login(make_house: MakeHouse, stored: MemoryStore) -> None:
    house = await make_house(store=stored)
    push = await waiting(house)
    assert push.waits
    client = house.started()
    client.call("hello")
    await house.settle()
    client.ack(2)
    await house.settle()
    assert (push.told, push.answer.message, push.answer.seq_id) == (ACKNOWLEDGED, "stored", 2)
    assert house.count("push_receipts_stored") == 0


async def test_what_is_handed_over_is_followed_into_the_next_session(
    make_house: MakeHouse, stored: MemoryStore
) -> None:
    house = await make_house(store=stored, session={"resume_window": 5.0})
    client = await house.online()
    client.link.lose()
    numbered = await waiting(house)
    house.path.kicks.kick(openid="alice")
    await house.settle()
    assert numbered.waits
    again = house.started()
    held = await waiting(house)
    again.link.lose()
    await house.pass_time(5.1)
    assert house.count("push_receipts_stored") == 2
    last = house.started()
    last.call("hello")
    await house.settle()
    last.ack(3)
    await house.settle()
    assert (numbered.told, held.told) == (ACKNOWLEDGED, ACKNOWLEDGED)


async def test_what_was_sent_out_of_the_store_and_not_acknowledged_waits_for_the_next_login(
    make_house: MakeHouse, stored: MemoryStore
) -> None:
    house = await make_house(store=stored)
    push = await waiting(house)
    client = house.started()
    client.call("hello")
    await house.settle()
    assert client.numbers == [1, 2]
    client.stop()
    await house.settle()
    assert push.waits
    again = house.started()
    again.call("hello")
    await house.settle()
    again.ack(2)
    await house.settle()
    assert push.told == ACKNOWLEDGED


async def test_what_the_store_does_not_take_is_lost(make_house: MakeHouse) -> None:
    small = MemoryStore(OfflineConfig.model_construct(store="memory", max_messages=1))
    house = await make_house(store=small)
    client = await house.online()
    client.link.lose()
    first, second = await waiting(house), await waiting(house)
    house.path.kicks.kick(openid="alice")
    await house.settle()
    assert second.told == lost(LostReason.STORE_DROPPED)
    assert first.waits


async def test_what_grows_too_old_in_the_store_is_lost(make_house: MakeHouse) -> None:
    settings = {"store": "memory", "max_age": 20.0}
    house = await make_house(store=MemoryStore(OfflineConfig.model_validate(settings)), offline=settings)
    push = await waiting(house)
    await house.pass_time(20.1)
    assert push.told == lost(LostReason.STORE_DROPPED)
