"""A START claims its openid: the questions that this costs, in the order that makes them safe (``scripts``).

What this node has by a claim that is surely good costs none; everything else costs one question to the directory and,
where another node has the openid, one to that node and one more to the directory. Whatever may have happened when an
answer is missing, the claim waits for the next START with all that came for it, so that nothing is lost by a client
that goes away or a line that breaks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.lease import NodeStanding
from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.peers import OutdatedAttempt, PeerUnreachable
from quicgw_fast.cluster.records import Refused
from quicgw_fast.cluster.taking import NOTHING, Yielded
from quicgw_fast.placement import HERE, LostSession, Place, PlaceTrouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.confirming import Confirming
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.given import GivenAway
    from quicgw_fast.cluster.lease import OwnLease, Promises
    from quicgw_fast.cluster.own_claims import Asking, OwnClaim, OwnClaims
    from quicgw_fast.cluster.records import ClaimHolder, Granted
    from quicgw_fast.cluster.taking import Taking
    from quicgw_fast.cluster.telling import Telling
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import Attempt

OUTCOMES: Final = (
    *("here", "granted", "fetched", "recovered", "lost", "accepted"),
    *("superseded", "node_unreachable", "directory_unavailable", "early"),
)

_log = logging.getLogger("quicgw.cluster")


class Claiming:
    """Claims openids for this node."""

    def __init__(
        self,
        node: str,
        claims: OwnClaims,
        lease: OwnLease,
        promises: Promises,
        entries: DirectoryEntries,
        taking: Taking,
        confirming: Confirming,
        telling: Telling,
        given: GivenAway,
        clock: Clock,
        metrics: Metrics,
        *,
        accept_unseen: bool,
        outdated: Callable[[], None],
    ) -> None:
        """``accept_unseen`` lets a START in though the directory cannot be asked.

        ``outdated`` is called when the directory knows of another era than this node.
        """
        self._node = node
        self._claims = claims
        self._lease = lease
        self._promises = promises
        self._entries = entries
        self._taking = taking
        self._confirming = confirming
        self._telling = telling
        self._given = given
        self._clock = clock
        self._accept_unseen = accept_unseen
        self._outdated = outdated
        self._count = metrics.counters(
            "claims", "STARTs that claimed their openid, by what came of it", "outcome", OUTCOMES
        )

    def at_once(self, openid: str, session_id: str) -> Place | None:
        """Let a START in by a claim that this node has, and that is surely good; None where there is none."""
        claim = self._claims.answering(openid, session_id)
        if claim is None or claim.unsure or not self._lease.good(claim.term, self._clock.now()):
            return None
        if claim.lost and self._taking.recovery is not None:
            return None  # perhaps what is written of it could not be read yet
        self._count["here"].value += 1
        return _let_in(claim)

    async def claimed(self, openid: str, session_id: str, attempt: Attempt) -> Place:
        """Claim an openid, and say what came of it."""
        asking = self._claims.ask(openid)
        try:
            return await self._claim_anew(asking, session_id, attempt)
        except DirectoryUnavailable as error:
            return self._unavailable(asking, str(error), "directory_unavailable")
        finally:
            self._claims.answered(asking)

    async def _claim_anew(self, asking: Asking, session_id: str, attempt: Attempt) -> Place:
        openid = asking.openid
        claim = self._claims.answering(openid, session_id)
        if claim is not None and await self._confirming.one(claim):
            claim.parked, claim.lost = await self._taking.recovered(openid, Yielded(claim.parked, claim.lost))
            self._count["here"].value += 1
            return _let_in(claim)
        term, era = self._lease.term, self._lease.era
        closed = self._promises.closed(era, self._clock.now())
        if closed or self._lease.standing(self._clock.now()) is not NodeStanding.HELD:
            why = "others may act on what an earlier directory knew" if closed else "this node's lease is over"
            return self._unavailable(asking, why, "early" if closed else "directory_unavailable")
        with self._telling.unanswered(openid):
            granted = await self._entries.claim(openid, session_id, era)
        if isinstance(granted, Refused):
            if granted is Refused.ERA:
                self._outdated()
            return self._unavailable(asking, "its data is new, and not complete yet", "early")
        if granted.holder is None:
            place = self._granted(asking, granted.generation, term, "granted")
        else:
            try:
                place = await self._take(asking, granted, granted.holder, term, era, attempt)
            except OutdatedAttempt:
                place = self._superseded()
        if not place.here and not self._owed(asking, granted.generation):
            self._telling.withdraw(openid, granted.generation)
        return place

    def _owed(self, asking: Asking, generation: int) -> bool:
        """Whether somebody, here or elsewhere, has to find this claim in the directory, though nothing began by it."""
        kept = any(claim.generation == generation for claim in self._claims.of(asking.openid))
        return kept or self._claims.is_given_up(asking, generation)

    async def _take(
        self, asking: Asking, granted: Granted, holder: ClaimHolder, term: int, era: str, attempt: Attempt
    ) -> Place:
        openid, generation = asking.openid, granted.generation
        asking.generation = generation
        mine = holder.node == self._node and bool(self._claims.of(openid))
        try:
            yielded = NOTHING if mine else await self._taking.yielded(openid, generation, holder, attempt)
        except PeerUnreachable as error:
            return self._unreachable(holder, str(error))
        asking.fetched = yielded.arrivals
        outcome = "recovered" if yielded.lost else "fetched"
        try:
            refused, yielded = await self._taking.taken(openid, generation, holder, yielded, era)
        except DirectoryUnavailable:
            # It may have been done: what came is kept, and the directory asked again before anything is done with it.
            claim = self._kept(asking, generation, term, yielded)
            if claim is not None:
                claim.unsure = True
            raise
        if refused is Refused.ALIVE:
            return self._unreachable(holder, "it has just come back")
        if refused is Refused.ERA:
            self._outdated()
            raise DirectoryUnavailable("its data has just become new")
        if refused is not None:
            here = self.at_once(openid, "") if mine else None
            if here is None and refused is Refused.GONE:
                return self._unavailable(asking, "it forgot this claim", "directory_unavailable")
            if here is None:
                return self._superseded()
            self._telling.withdraw(openid, generation)  # it is here by the claim of before, which holds
            return here
        if mine and not self._claims.of(openid):  # somebody asked for it meanwhile, who cannot take it any more
            yielded = await self._from_here(openid, generation, holder)
        self._telling.taken(openid, holder)
        return self._granted(asking, generation, term, "lost" if yielded.lost else outcome, yielded)

    async def _from_here(self, openid: str, generation: int, holder: ClaimHolder) -> Yielded:
        try:
            return await self._taking.yielded(openid, generation, holder)
        except PeerUnreachable as error:
            _log.error("own sessions not given", extra={"openid": openid, "reason": str(error)})
            return NOTHING

    def _granted(
        self, asking: Asking, generation: int, term: int, outcome: str, yielded: Yielded | None = None
    ) -> Place:
        claim = self._kept(asking, generation, term, yielded)
        if claim is None:
            return self._superseded()
        if not self._lease.good(term, self._clock.now()):  # it passed while others were asked
            return self._unavailable(asking, "this node's lease is over", "directory_unavailable")
        if claim.untold:
            self._telling.settle(claim, "")
        self._count[outcome].value += 1
        return _let_in(claim)

    def _kept(self, asking: Asking, generation: int, term: int, yielded: Yielded | None) -> OwnClaim | None:
        claim = self._claims.granted(asking, generation, term, self._clock.now(), *(yielded or NOTHING))
        if claim is not None:
            self._given.drop(asking.openid)  # who asked by an older claim cannot take it any more
        return claim

    def _unreachable(self, holder: ClaimHolder, why: str) -> Place:
        self._count["node_unreachable"].value += 1
        detail = f"it lives at {holder.node}, which cannot be reached ({why})"
        return Place(False, detail, PlaceTrouble.NODE_UNREACHABLE, (holder.node,), self._lease.length / 3)

    def _superseded(self) -> Place:
        self._count["superseded"].value += 1
        return Place(False, "a newer START came to another node", PlaceTrouble.SUPERSEDED)

    def _unavailable(self, asking: Asking, why: str, outcome: str) -> Place:
        """Refuse, or let in what nobody here or elsewhere is known to have."""
        openid = asking.openid
        unseen = self._accept_unseen and not self._claims.of(openid) and not asking.given_up
        if unseen and self._lease.standing(self._clock.now()) is not NodeStanding.SUSPENDED:
            newest = round(self._clock.wall() * 1000)  # as the directory counts generations
            claim = self._claims.granted(asking, newest, self._lease.term, self._clock.now())
            if claim is not None:
                claim.unwritten = True
                self._count["accepted"].value += 1
                return _let_in(claim)
        self._count[outcome].value += 1
        detail = f"the directory does not say whether it may live here ({why})"
        return Place(False, detail, PlaceTrouble.DIRECTORY_UNAVAILABLE, (), self._lease.length / 3)


def _let_in(claim: OwnClaim) -> Place:
    claim.promised = True
    if not claim.parked and not claim.lost:
        return HERE
    lost = tuple(LostSession(holder.session_id, holder.epoch, holder.node) for holder in claim.lost)
    return Place(here=True, arrivals=claim.parked, lost=lost)
