"""Pushes whose senders wait, and what they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import LostReason, PushOutcome

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UnicastPushResponse
    from tests.flow.house import Client, House

Told = tuple[PushOutcome, LostReason]

ACKNOWLEDGED: Told = PushOutcome.ACKNOWLEDGED, LostReason.NONE
PENDING: Told = PushOutcome.PENDING, LostReason.NONE


def lost(reason: LostReason) -> Told:
    return PushOutcome.LOST, reason


class Waiting:
    """A push under way."""

    def __init__(self, house: House, *target: str, **fields: Any) -> None:
        fields.setdefault("wait_ack_ms", 60_000)
        self.task = asyncio.ensure_future(house.push(*target, **fields))

    @property
    def waits(self) -> bool:
        return not self.task.done()

    @property
    def answer(self) -> UnicastPushResponse:
        return self.task.result()

    @property
    def told(self) -> Told:
        assert self.answer.success, self.answer
        return PushOutcome(self.answer.outcome), LostReason(self.answer.lost_reason)


async def waiting(house: House, *target: str, **fields: Any) -> Waiting:
    """Push, and let everything happen that can."""
    made = Waiting(house, *target, **fields)
    await house.settle()
    return made


async def online(house: House) -> Client:
    """A client that is logged in, which takes as long as the disk of the store does."""
    client = house.started()
    client.call("hello")
    await ready(house, "logins", int(house.count("logins")) + 1)
    client.ack(1)
    client.link.sent.clear()
    return client


async def ready(house: House, name: str, count: int) -> None:
    """Wait for a disk: until that metric is so many."""
    for _ in range(2000):
        if house.count(name) == count:
            return await house.settle()
        await asyncio.sleep(0.001)
    raise AssertionError(f"{name} is {house.count(name)}")
