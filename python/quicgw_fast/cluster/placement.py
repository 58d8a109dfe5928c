"""The placement by a directory: which of several nodes has an openid, and how it comes here."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.records import Refused
from quicgw_fast.placement import HERE, UNCOUNTED, Place, PlaceTrouble

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.claiming import Claiming
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.given import GivenAway
    from quicgw_fast.cluster.lease import OwnLease
    from quicgw_fast.cluster.own_claims import OwnClaims
    from quicgw_fast.cluster.telling import Telling
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import Answer, Attempt

IDLE: Final = 30.0
"""Seconds after which a claim without a session, and with nothing that came for it, is given back."""

_log = logging.getLogger("quicgw.cluster")


class DirectoryPlacement:
    """Answers the flow, and whoever serves other nodes."""

    def __init__(
        self,
        node: str,
        claims: OwnClaims,
        lease: OwnLease,
        entries: DirectoryEntries,
        claiming: Claiming,
        telling: Telling,
        given: GivenAway,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._node = node
        self._claims = claims
        self._lease = lease
        self._entries = entries
        self._claiming = claiming
        self._telling = telling
        self._given = given
        self._now = clock.now
        self._tasks: set[asyncio.Task[Place]] = set()
        metrics.gauge("claims_held", "Claims that this node has", lambda: len(claims))

    # What the flow asks

    def claim(self, openid: str, session_id: str, attempt: Attempt = UNCOUNTED) -> Answer:
        """See ``Placement``."""
        at_once = self._claiming.at_once(openid, session_id)
        return at_once or self._later(self._claiming.claimed(openid, session_id, attempt))

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
            self._telling.settle(claim, before)

    def released(self, openid: str, session_id: str) -> None:
        """See ``Placement``."""
        claim = self._claims.released(openid, session_id)
        if claim is not None and claim not in self._claims.of(openid):
            self._telling.release(claim)

    # What others ask

    def may_act(self, openid: str) -> bool:
        """Whether anything may be sent, numbered or answered for an openid; to be asked after every pause."""
        now = self._now()
        return any(self._lease.good(claim.term, now) for claim in self._claims.of(openid))

    def yielded(self, openid: str, held: int) -> list[bytes]:
        """Another node has a newer claim than ``held``; what had come here by that, and has not begun.

        Whoever serves other nodes calls it before it has the sessions depart. Asked again it gives the same, as the
        answer may have been lost on the way, until ``confirmed`` is called.
        """
        return self._given.give(openid, held, self._claims.yielded(openid, held), self._now())

    def confirmed(self, openid: str, held: int) -> None:
        """What was given away of the claim ``held`` is in good hands."""
        self._given.confirmed(openid, held)

    # What passes with time

    def tend(self, now: float) -> None:
        """Give back what nobody used, and forget what nobody took."""
        self._given.tend(now)
        for claim in self._claims.idle(now - IDLE):
            if not claim.parked and not claim.lost:
                self._claims.drop(claim)
                self._telling.release(claim)

    async def stop(self) -> None:
        """Answer nobody any more; idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Answers

    def _has(self, openid: str) -> bool:
        return any(claim.session_id for claim in self._claims.of(openid)) and self.may_act(openid)

    async def _found(self, target_type: str, target_id: str) -> Place:
        try:
            holders = await self._entries.find(target_type, target_id, self._lease.era)
        except DirectoryUnavailable as error:
            return _not_said(str(error))
        if isinstance(holders, Refused):
            return _not_said("its data is new, and not complete yet")
        if self._claims.devices == 1 and target_type == "openid":
            holders = holders[:1]  # the others wait for it
        mine = [holder for holder in holders if holder.node == self._node]
        if any(
            holder.session_id and not holder.epoch for holder in mine
        ):  # a START has named it, and has no answer yet
            return Place(False, "it is on its way here", PlaceTrouble.COMING)
        if mine or not holders:
            return HERE
        nodes = tuple(dict.fromkeys(holder.node for holder in holders if holder.alive))
        if not nodes:
            dead = holders[0].node
            detail = f"it lived at {dead}, whose lease is over"
            return Place(False, detail, PlaceTrouble.NODE_UNREACHABLE, (dead,))
        return Place(False, f"it lives at {', '.join(nodes)}", PlaceTrouble.ELSEWHERE, nodes)

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


def _not_said(why: str) -> Place:
    return Place(False, f"the directory cannot say where it lives ({why})", PlaceTrouble.DIRECTORY_UNAVAILABLE)
