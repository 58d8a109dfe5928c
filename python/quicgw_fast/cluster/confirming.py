"""Claims confirmed again: all of this node, after its lease ran out or when the directory's data is new.

In slices, so that 100 000 claims hold up nobody: each takes some milliseconds of the directory's time and of the
loop's. A claim of this era is *checked*: it has to be there still. One of an earlier era is written down *again*, as
the directory may not know it; if it was not good any more when the era began, somebody may have had it since, and it
has to be there. What is not confirmed is void: somebody newer has it, and its session is closed here. Who has
the same by an older claim (as the directory's data may be older than a hand-over) has to give it up.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.cluster.records import Again, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import OwnLease
    from quicgw_fast.cluster.own_claims import OwnClaim, OwnClaims
    from quicgw_fast.cluster.records import Asserted, ClaimHolder
    from quicgw_fast.cluster.taking import Taking
    from quicgw_fast.observe import Metrics

SLICE: Final = 200
"""Claims in one question, which the directory answers in one step."""

_log = logging.getLogger("quicgw.cluster")


class Confirming:
    """Confirms the claims of this node, as often as somebody finds that they need it."""

    def __init__(
        self,
        claims: OwnClaims,
        lease: OwnLease,
        entries: DirectoryEntries,
        taking: Taking,
        clock: Clock,
        metrics: Metrics,
        *,
        release: Callable[[OwnClaim], None],
        void: Callable[[OwnClaim], None],
    ) -> None:
        """``void`` is called for a claim that this node has no more; its session must not be acted for.

        ``release`` has the directory forget one.
        """
        self._claims = claims
        self._lease = lease
        self._entries = entries
        self._taking = taking
        self._now = clock.now
        self._release = release
        self._void = void
        self._task: asyncio.Task[None] | None = None
        self._count = metrics.counters(
            "claims_confirmed", "Claims of this node that the directory was asked about again", "outcome",
            ("confirmed", "void"),
        )  # fmt: skip
        self._took = metrics.duration("claims_confirming", "Of all claims of this node that needed it")

    def begin(self) -> None:
        """Confirm all that need it, in the background; while that is under way it goes on by itself."""
        if self._task is None and any(map(self._needs_it, self._claims)):
            self._task = asyncio.create_task(self._all(), name="cluster-confirm")
            self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Confirm no more; idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def one(self, claim: OwnClaim) -> bool:
        """Confirm one, for a START; raises DirectoryUnavailable. Whether this node has it still."""
        await self._ask([claim])
        return not self._needs_it(claim) and claim in self._claims.of(claim.openid)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and task.exception() is not None:
            _log.error("claims not confirmed", exc_info=task.exception())

    def _needs_it(self, claim: OwnClaim) -> bool:
        return claim.term != self._lease.term or claim.unwritten or claim.untold or claim.unsure or claim.contested

    async def _all(self) -> None:
        began, confirmed = self._now(), 0
        try:
            while todo := [claim for claim in self._claims if self._needs_it(claim) and not claim.contested]:
                for start in range(0, len(todo), SLICE):
                    confirmed += await self._ask(todo[start : start + SLICE])
                    await asyncio.sleep(0)  # clients of this node have their turn
        except DirectoryUnavailable as error:
            _log.info("claims not confirmed yet", extra={"reason": str(error), "confirmed": confirmed})
            return
        finally:
            for claim in self._claims:
                claim.contested = False  # tried again at the next renewal
        if confirmed:
            took = self._now() - began
            self._took.observe(took)
            _log.info("claims confirmed", extra={"claims": confirmed, "seconds": round(took, 3)})

    async def _ask(self, claims: list[OwnClaim]) -> int:
        """Ask about some; how many of them this node has still."""
        term, era = self._lease.term, self._lease.era
        confirmed = 0
        asked = {how: [claim for claim in claims if self._how(claim) is how] for how in Again}
        for how, some in asked.items():
            if not some:
                continue
            said = [claim.facts for claim in some]
            answers = await self._entries.again(some, era, how)
            if isinstance(answers, Refused):
                raise DirectoryUnavailable("its data is another one than at the last renewal")
            for claim, facts, answer in zip(some, said, answers, strict=True):
                if await self._told(claim, answer, term, era):
                    claim.untold = claim.facts != facts  # a session may have begun meanwhile
                    confirmed += 1
        return confirmed

    def _how(self, claim: OwnClaim) -> Again:
        lease = self._lease
        if claim.unwritten:
            return Again.AGAIN
        if claim.term >= lease.era_since:
            return Again.CHECK
        return Again.AGAIN if lease.continued(claim.term) else Again.STRICT

    async def _told(self, claim: OwnClaim, answer: Asserted, term: int, era: str) -> bool:
        if claim not in self._claims.of(claim.openid):
            if not claim.yielded:  # then it was released, and may have been written down again behind that
                self._release(claim)
            return False
        if not answer.holds or (claim.unsure and claim.term < self._lease.era_since):
            self._count["void"].value += 1
            self._claims.drop(claim)
            self._release(claim)
            self._void(claim)
            return False
        if answer.waits:
            claim.contested = True
            return False
        if answer.lower is not None and not await self._alone(claim, answer.lower, era):
            claim.contested = True
            return False
        claim.term, claim.unwritten, claim.unsure, claim.contested = term, False, False, False
        self._count["confirmed"].value += 1
        return True

    async def _alone(self, claim: OwnClaim, lower: ClaimHolder, era: str) -> bool:
        """Have an older holder give up; whether it has. What it gives is kept only for a claim without a session."""
        try:
            yielded = await self._taking.yielded(claim.openid, claim.generation, lower)
        except PeerUnreachable as error:
            _log.warning("older holder not reached", extra={"node": lower.node, "reason": str(error)})
            return False
        refused, yielded = await self._taking.taken(claim.openid, claim.generation, lower, yielded, era)
        if refused is not None:
            return False
        if not claim.session_id and not claim.parked:
            claim.parked, claim.lost = yielded.arrivals, yielded.lost
        return True
