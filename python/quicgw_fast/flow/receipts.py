"""Who waits for the acknowledgement of a push (protocol §4): so many for a client, so many in all, each for so long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quicgw_fast.codes import LostReason, PushCode, PushOutcome
from quicgw_fast.flow.targets import PushRefused
from quicgw_fast.session import PENDING, Fate

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import PushConfig
    from quicgw_fast.observe import Metrics

_TOLD = {
    ("acknowledged", "none"): PushOutcome.ACKNOWLEDGED,
    ("pending", "none"): PushOutcome.PENDING,
    **{("lost", reason.name.lower()): PushOutcome.LOST for reason in LostReason if reason is not LostReason.NONE},
}
"""What can be told, as it is counted."""


class Receipt:
    """What became of one push, for all who wait for it: told once, at the deadline at the latest."""

    def __init__(self, openid: str, kept: bool, over: Callable[[Receipt], None]) -> None:
        """``kept``: it is waited for although nobody does at the moment, as its sender may ask again."""
        self.openid = openid
        self._kept = kept
        self._over = over
        self._waiting = 0
        self._fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()

    @property
    def waits(self) -> bool:
        """Whether nothing was told yet."""
        return not self._fate.done()

    def settle(self, fate: Fate) -> None:
        """Tell everybody; whatever comes behind the first is ignored."""
        if self.waits:
            self._fate.set_result(fate)
            self._over(self)

    def when_settled(self, call: Callable[[], object]) -> None:
        """Have this called soon after something was told."""
        self._fate.add_done_callback(lambda _: call())

    async def fate(self) -> Fate:
        """Wait for it. When the last one goes away who waits, it is not waited for any more."""
        self._waiting += 1
        try:
            return await asyncio.shield(self._fate)
        finally:
            self._waiting -= 1
            self.forgo()

    def forgo(self) -> None:
        """The sender went away before it began to wait."""
        if not self._waiting and not self._kept:
            self.settle(PENDING)

    def refused(self) -> None:
        """The push was not taken: nobody is told anything."""
        self.settle(Fate(PushOutcome.REFUSED))

    def fate_now(self) -> Fate:
        """What was told, and PENDING before."""
        return PENDING if self.waits else self._fate.result()


class Receipts:
    """All that are open."""

    def __init__(self, clock: Clock, metrics: Metrics, settings: PushConfig) -> None:
        self._clock = clock
        self._open: dict[str, set[Receipt]] = {}
        """By the openid of the client."""
        self._number = 0
        what = "Pushes whose sender waited for the acknowledgement, by what it was told"
        self._counts = metrics.counters("push_receipts", what, ("outcome", "reason"), list(_TOLD))
        metrics.gauge("push_receipts_open", "Pushes whose sender waits for the acknowledgement", lambda: self._number)
        self.reconfigure(settings)

    def reconfigure(self, settings: PushConfig) -> None:
        """Have other bounds from the next one on."""
        self._settings = settings

    def open(self, openid: str, wait_ms: int, *, kept: bool) -> Receipt:
        """Begin to wait; 0 for as long as may be. Raises PushRefused."""
        settings, of_client = self._settings, self._open.get(openid, set())
        seconds = wait_ms / 1000 or settings.longest_wait
        if seconds > settings.longest_wait:
            told = f"wait_ack_ms is at most {settings.longest_wait * 1000:.0f} here (push.longest_wait)"
            raise PushRefused(PushCode.BAD_OPTIONS, told)
        if self._number >= settings.receipts:
            raise PushRefused(PushCode.RECEIPT_LIMIT, f"{self._number} pushes wait for their acknowledgement")
        if len(of_client) >= settings.receipts_per_client:
            told = f"{len(of_client)} pushes wait for the acknowledgement of this client"
            raise PushRefused(PushCode.RECEIPT_LIMIT, told)
        receipt = Receipt(openid, kept, self._closed)
        self._open.setdefault(openid, of_client).add(receipt)
        self._number += 1
        timer = self._clock.call_later(seconds, lambda: receipt.settle(PENDING))
        receipt.when_settled(timer.cancel)
        return receipt

    def stop(self) -> None:
        """Tell all who still wait that nothing is known yet: nobody here will know more."""
        for receipt in [receipt for of_client in self._open.values() for receipt in of_client]:
            receipt.settle(PENDING)

    def _closed(self, receipt: Receipt) -> None:
        of_client = self._open[receipt.openid]
        of_client.discard(receipt)
        if not of_client:
            del self._open[receipt.openid]
        self._number -= 1
        outcome, reason = receipt.fate_now()
        if outcome is not PushOutcome.REFUSED:
            self._counts[outcome.name.lower(), reason.name.lower()].value += 1
