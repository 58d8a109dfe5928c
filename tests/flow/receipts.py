"""Pushes whose senders wait, and what they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import LostReason, PushOutcome

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UnicastPushResponse
    from tests.flow.house import House

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
