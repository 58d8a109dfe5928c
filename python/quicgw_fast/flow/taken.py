"""A push that was answered, and the receipt that its sender may wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.proto.service_pb2 import UnicastPushResponse

if TYPE_CHECKING:
    from quicgw_fast.flow.receipts import Receipt
    from quicgw_fast.session import Fate, Parcel, Session


class Taken(NamedTuple):
    """What a push came to; see ``ports.TakenPush``."""

    answer: UnicastPushResponse
    """As it was when it was taken or refused."""
    receipt: Receipt | None = None
    parcel: Parcel | None = None
    unwritten: set[Session] | None = None
    """Those that took it, until that is written down; None where nothing is."""

    @property
    def waits(self) -> bool:
        """Whether its sender wants to wait, and has something to wait for."""
        return self.receipt is not None

    async def settled(self) -> UnicastPushResponse:
        """Wait for what becomes of it, and answer with that."""
        return self.answer if self.receipt is None else self._with(await self.receipt.fate())

    def forgo(self) -> None:
        """Its sender went away: nobody waits."""
        if self.receipt is not None:
            self.receipt.forgo()

    def _with(self, fate: Fate) -> UnicastPushResponse:
        answer = UnicastPushResponse()
        answer.CopyFrom(self.answer)
        answer.outcome, answer.lost_reason = fate.outcome.value, fate.reason.value  # type: ignore[assignment]
        if self.parcel is not None and self.parcel.number:
            answer.seq_id = self.parcel.number
        return answer
