"""Steps that the tests of resume and reset share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire

if TYPE_CHECKING:
    from tests.support.raw_client import RawClient
    from tests.support.world import World

BOTH_WAYS = pytest.mark.parametrize("by_session", [True, False], ids=["session", "openid"])


async def with_pushes(world: World, openid: str, count: int) -> RawClient:
    """A client that is logged in (number 1) and has received pushes 2 … count + 1."""
    client = await world.online(openid)
    for n in range(2, count + 2):
        assert (await world.pusher.push(openid, data=b"push %d" % n)).success
    await client.wait_count(count + 1)
    return client


async def acknowledged(client: RawClient, number: int) -> None:
    """Acknowledge, and wait until the gateway has read it."""
    client.ack(number)
    await client.reply(client.heartbeat())


def assert_reset(client: RawClient, before: RawClient, reason: int) -> None:
    """Check that a START_RESP resets for a reason: a new session under a new epoch."""
    answer = client.started
    assert answer is not None
    assert before.started is not None
    assert answer.success, answer.error
    assert not answer.resumed
    assert answer.reset_reason == reason, pb.ResetReason.Name(answer.reset_reason)
    assert answer.epoch not in ("", before.started.epoch)
    assert answer.connection_id != before.started.connection_id
    assert answer.max_client_seq == 0


async def assert_numbers_from(world: World, client: RawClient, first: int) -> None:
    """Check that a fresh session numbers from ``first`` and takes any first client number."""
    client.next_seq = 5000
    push = await client.hello()
    assert wire.business(push).code == 200, "a new session needs a new login"
    assert push.seq_id == first
    assert (await world.pusher.push(client.openid, data=b"new")).success
    await client.wait_count(2)
    client.assert_gap_free(first)
