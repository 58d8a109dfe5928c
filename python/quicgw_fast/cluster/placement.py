"""The placement by a directory: which of several nodes has an openid, and how it comes here.

START claims. What this node has by a claim that is surely good is answered at once; everything else costs one question
to the directory and, where another node has the openid, one to that node and one more to the directory (``scripts``
says why that order is safe). Whatever may have happened when an answer is missing, the claim waits for the next START
with all that came for it, so that nothing is lost by a client that goes away or a line that breaks.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.cluster.lease import Standing
from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.cluster.records import Refused
from quicgw_fast.cluster.taking import NOTHING
from quicgw_fast.placement import HERE, LostSession, Place, PlaceTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.confirming import Confirming
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import OwnLease, Promises
    from quicgw_fast.cluster.link import DirectoryLink
    from quicgw_fast.cluster.own_claims import Asking, OwnClaim, OwnClaims
    from quicgw_fast.cluster.records import Granted, Holder
    from quicgw_fast.cluster.taking import Taking, Yielded
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import Answer

NAME: Final = "directory"
IDLE: Final = 30.0
"""Seconds after which a claim without a session, and with nothing that came for it, is given back."""
GIVEN: Final = 30.0
"""Seconds for which what was given away is given again, until it is confirmed."""
OUTCOMES: Final = (
    *("here", "granted", "fetched", "lost", "accepted"),
    *("superseded", "node_unreachable", "directory_unavailable", "early"),
)

_log = logging.getLogger("quicgw.cluster")


class _Given(NamedTuple):
    """What came for an openid, did not begin here, and went on to another node."""

    held: int
    """The claim by which they were here."""
    parcels: tuple[bytes, ...]
    until: float


class DirectoryPlacement:
    """Answers the flow, and whoever serves other nodes."""

    def __init__(
        self,
        node: str,
        claims: OwnClaims,
        lease: OwnLease,
        promises: Promises,
        link: DirectoryLink,
        entries: DirectoryEntries,
        taking: Taking,
        confirming: Confirming,
        clock: Clock,
        metrics: Metrics,
        *,
        accept_unseen: bool,
        outdated: Callable[[], None],
        void: Callable[[OwnClaim], None],
    ) -> None:
        """``accept_unseen`` lets a START in though the directory cannot be asked.

        ``outdated`` is called when the directory knows of another era than this node; ``void`` as in ``Confirming``.
        """
        self._node = node
        self._claims = claims
        self._lease = lease
        self._promises = promises
        self._link = link
        self._entries = entries
        self._taking = taking
        self._confirming = confirming
        self._clock = clock
        self._accept_unseen = accept_unseen
        self._outdated = outdated
        self._void = void
        self._tasks: set[asyncio.Task[Place]] = set()
        self._writes: set[asyncio.Task[None]] = set()
        self._unreleased: list[OwnClaim] = []
        self._given: dict[str, _Given] = {}
        self._unanswered: set[str] = set()
        """Openids whose claim the directory may have written down, though it did not say so."""
        self._count = metrics.counters(
            "claims", "STARTs that claimed their openid, by what came of it", "outcome", OUTCOMES
        )
        metrics.gauge("claims_held", "Claims that this node has", lambda: len(claims))

    # What the flow asks

    def claim(self, openid: str, session_id: str) -> Answer:
        """See ``Placement``."""
        claim = self._claims.answering(openid, session_id)
        if claim is not None and not claim.unsure and self._lease.good(claim.term, self._clock.now()):
            self._count["here"].value += 1
            return self._let_in(claim)
        return self._later(self._claimed(openid, session_id))

    def find(self, target_type: str, target_id: str) -> Answer:
        """See ``Placement``."""
        if target_type == "openid" and self._has(target_id):
            return HERE
        return self._later(self._found(target_type, target_id))

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> None:
        """See ``Placement``."""
        before = next((claim.session_id for claim in self._claims.of(openid)), "") if self._claims.devices == 1 else ""
        claim = self._claims.settled(openid, session_id, epoch, gid)
        if claim is not None:
            self._write(self._settle(claim, before))

    def released(self, openid: str, session_id: str) -> None:
        """See ``Placement``."""
        claim = self._claims.released(openid, session_id)
        if claim is not None and claim not in self._claims.of(openid):
            self._release(claim)

    # What others ask

    def may_act(self, openid: str) -> bool:
        """Whether anything may be sent, numbered or answered for an openid; to be asked after every pause."""
        now = self._clock.now()
        return any(self._lease.good(claim.term, now) for claim in self._claims.of(openid))

    def yielded(self, openid: str, held: int) -> list[bytes]:
        """Another node has a newer claim than ``held``; what had come here by that, and has not begun.

        Whoever serves other nodes calls it before it has the sessions depart. Asked again it gives the same, as the
        answer may have been lost on the way, until ``confirmed`` is called.
        """
        parcels = self._claims.yielded(openid, held)
        if parcels:
            self._given[openid] = _Given(held, tuple(parcels), self._clock.now() + GIVEN)
        given = self._given.get(openid)
        return list(given.parcels) if given is not None and given.held == held else []

    def confirmed(self, openid: str, held: int) -> None:
        """What was given away of the claim ``held`` is in good hands."""
        given = self._given.get(openid)
        if given is not None and given.held == held:
            del self._given[openid]

    # What passes with time

    def directory_found(self) -> None:
        """It can be asked again: whoever waits to know what this node has claimed is told."""
        unanswered, self._unanswered = self._unanswered, set()
        for openid in unanswered:
            self._entries.forget(openid, self._claims.of(openid))

    def tend(self, now: float) -> None:
        """Give back what nobody used, and what could not be given back before."""
        for openid, given in list(self._given.items()):
            if given.until < now:
                self._not_taken(openid)
        for claim in self._claims.idle(now - IDLE):
            if not claim.parked and not claim.lost:
                self._claims.drop(claim)
                self._release(claim)
        if self._link.up and self._unreleased:
            unreleased, self._unreleased = self._unreleased, []
            for claim in unreleased:
                self._release(claim)

    async def stop(self) -> None:
        """Wait for what is being written, and answer nobody any more; idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._writes, return_exceptions=True)

    # Claims

    def _let_in(self, claim: OwnClaim) -> Place:
        claim.promised = True
        if not claim.parked and not claim.lost:
            return HERE
        lost = tuple(LostSession(holder.session_id, holder.epoch, holder.node) for holder in claim.lost)
        return Place(here=True, arrivals=claim.parked, lost=lost)

    async def _claimed(self, openid: str, session_id: str) -> Place:
        asking = self._claims.ask(openid)
        try:
            return await self._claim_anew(asking, session_id)
        except DirectoryUnavailable as error:
            return self._unavailable(asking, str(error), "directory_unavailable")
        finally:
            self._claims.answered(asking)

    async def _claim_anew(self, asking: Asking, session_id: str) -> Place:
        openid = asking.openid
        claim = self._claims.answering(openid, session_id)
        if claim is not None and await self._confirming.one(claim):
            self._count["here"].value += 1
            return self._let_in(claim)
        term, era = self._lease.term, self._lease.era
        closed = self._promises.closed(era, self._clock.now())
        if closed or self._lease.standing(self._clock.now()) is not Standing.HELD:
            why = "others may act on what an earlier directory knew" if closed else "this node's lease is over"
            return self._unavailable(asking, why, "early" if closed else "directory_unavailable")
        self._unanswered.add(openid)
        granted = await self._entries.claim(openid, session_id, era)
        self._unanswered.discard(openid)
        if isinstance(granted, Refused):
            if granted is Refused.ERA:
                self._outdated()
            return self._unavailable(asking, "its data is new, and not complete yet", "early")
        if granted.holder is None:
            place = self._granted(asking, granted.generation, term, "granted")
        else:
            place = await self._take(asking, granted, granted.holder, term, era)
        if not place.here:
            self._withdraw(openid, granted.generation)
        return place

    async def _take(self, asking: Asking, granted: Granted, holder: Holder, term: int, era: str) -> Place:
        openid, generation = asking.openid, granted.generation
        asking.generation = generation
        mine = holder.node == self._node and bool(self._claims.of(openid))
        try:
            yielded = NOTHING if mine else await self._taking.yielded(openid, generation, holder)
        except PeerUnreachable as error:
            return self._unreachable(holder, str(error))
        asking.fetched = yielded.arrivals
        try:
            refused = await self._taking.taken(openid, generation, holder, yielded, era)
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
            return self._superseded()
        if mine and not self._claims.of(openid):  # somebody asked for it meanwhile, who cannot take it any more
            yielded = await self._from_here(openid, generation, holder)
        self._write(self._confirm(openid, holder))
        return self._granted(asking, generation, term, "lost" if yielded.lost else "fetched", yielded)

    async def _from_here(self, openid: str, generation: int, holder: Holder) -> Yielded:
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
            self._write(self._settle(claim, ""))
        self._count[outcome].value += 1
        return self._let_in(claim)

    def _kept(self, asking: Asking, generation: int, term: int, yielded: Yielded | None) -> OwnClaim | None:
        claim = self._claims.granted(asking, generation, term, self._clock.now(), *(yielded or NOTHING))
        if claim is not None:
            self._not_taken(asking.openid)  # who asked by an older claim cannot take it any more
        return claim

    def _unreachable(self, holder: Holder, why: str) -> Place:
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
        if unseen and self._lease.standing(self._clock.now()) is not Standing.SUSPENDED:
            claim = self._claims.granted(
                asking, round(self._clock.wall() * 1000), self._lease.term, self._clock.now(), (), ()
            )
            if claim is not None:
                claim.unwritten = True
                self._count["accepted"].value += 1
                return self._let_in(claim)
        self._count[outcome].value += 1
        detail = f"the directory does not say whether it may live here ({why})"
        return Place(False, detail, PlaceTrouble.DIRECTORY_UNAVAILABLE, (), self._lease.length / 3)

    # Finding

    def _has(self, openid: str) -> bool:
        return any(claim.session_id for claim in self._claims.of(openid)) and self.may_act(openid)

    async def _found(self, target_type: str, target_id: str) -> Place:
        try:
            holders = await self._entries.find(target_type, target_id)
        except DirectoryUnavailable as error:
            detail = f"the directory cannot say where it lives ({error})"
            return Place(False, detail, PlaceTrouble.DIRECTORY_UNAVAILABLE)
        if self._claims.devices == 1 and target_type == "openid":
            holders = holders[:1]  # the others wait for it
        if not holders or any(holder.node == self._node for holder in holders):
            return HERE
        nodes = tuple(dict.fromkeys(holder.node for holder in holders if holder.alive))
        if not nodes:
            dead = holders[0].node
            detail = f"it lived at {dead}, whose lease is over"
            return Place(False, detail, PlaceTrouble.NODE_UNREACHABLE, (dead,))
        return Place(False, f"it lives at {', '.join(nodes)}", PlaceTrouble.ELSEWHERE, nodes)

    # In the background

    async def _settle(self, claim: OwnClaim, before: str) -> None:
        claim.untold = True
        refused = await self._entries.settle(claim, before, self._lease.era)
        claim.untold = refused is not None
        if refused is Refused.ERA:
            self._outdated()
        elif refused is Refused.GONE and claim in self._claims.of(claim.openid) and not claim.unwritten:
            self._claims.drop(claim)
            self._void(claim)

    async def _confirm(self, openid: str, holder: Holder) -> None:
        try:
            await self._taking.confirm(openid, holder)
        except PeerUnreachable as error:
            _log.debug("hand-over not confirmed", extra={"node": holder.node, "reason": str(error)})

    def _not_taken(self, openid: str) -> None:
        given = self._given.pop(openid, None)
        if given is not None:
            _log.warning("sessions not taken", extra={"openid": openid, "sessions": len(given.parcels)})

    def _withdraw(self, openid: str, generation: int) -> None:
        """Leave no claim in the directory that this node does not have: others would wait for what comes of it."""
        if self._link.up:
            self._entries.withdraw(openid, generation)
        else:
            self._unanswered.add(openid)

    def _release(self, claim: OwnClaim) -> None:
        if self._link.up:
            self._entries.release(claim)
        else:
            self._unreleased.append(claim)

    def _write(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._writes.add(task)
        task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, DirectoryUnavailable):  # then all is written again
            _log.error("directory not told", exc_info=error)

    def _later(self, work: Coroutine[None, None, Place]) -> asyncio.Future[Place]:
        """A future of what goes on though nobody may wait for it any more."""
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._answer(future, done))
        return future

    def _answer(self, future: asyncio.Future[Place], task: asyncio.Task[Place]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            future.cancel()
            return
        error = task.exception()
        if future.done():
            if error is not None:
                _log.error("claim failed", exc_info=error)
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())
