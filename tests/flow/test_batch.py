"""Many pushes in one call: taken in their order, each answered for itself (protocol §4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.codes import PushCode
from quicgw_fast.flow.pushes import BATCH_SLICE
from quicgw_fast.proto.service_pb2 import UnicastPushRequest

if TYPE_CHECKING:
    from tests.flow.house import House


def a_push(target: str, content: str, wait_ack_ms: int = 0) -> UnicastPushRequest:
    return UnicastPushRequest(
        target_type="openid", target_id=target, msg_type="t", content=content, wait_ack_ms=wait_ack_ms
    )


async def test_each_is_answered_and_none_depends_on_another(house: House) -> None:
    alice, bob = await house.online(), await house.online("bob")
    batch = [a_push("alice", "1"), a_push("nobody", "2"), a_push("bob", "3"), a_push("alice", "4")]
    answers = [taken.answer for taken in await house.path.services.pushes.batch(batch)]
    assert [answer.success for answer in answers] == [True, False, True, True]
    assert answers[1].error_code == PushCode.TARGET_NOT_FOUND
    assert (alice.texts, bob.texts) == (["1", "4"], ["3"])


async def test_others_have_their_turn_meanwhile(house: House) -> None:
    await house.online()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await house.path.services.pushes.batch([a_push("alice", "x")] * (BATCH_SLICE * 4))
    task.cancel()
    assert turns >= 4


async def test_who_goes_away_frees_all_places(house: House) -> None:
    await house.online()
    batch = asyncio.create_task(house.path.services.pushes.batch([a_push("alice", "x", 5000)] * (BATCH_SLICE + 10)))
    await asyncio.sleep(0)
    assert house.count("push_receipts_open") == BATCH_SLICE
    batch.cancel()
    await house.settle()
    assert house.count("push_receipts_open") == 0
