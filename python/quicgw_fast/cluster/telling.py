"""The directory, and other nodes, are told what became of claims: in the background, as nobody waits for it.

What cannot be told now is told when the directory is back: sessions by confirming all claims, the rest from here.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.cluster.records import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import OwnLease
    from quicgw_fast.cluster.own_claims import OwnClaim, OwnClaims
    from quicgw_fast.cluster.records import ClaimHolder
    from quicgw_fast.cluster.taking import Taking

_log = logging.getLogger("quicgw.cluster")


class Telling:
    """Tells."""

    def __init__(
        self,
        claims: OwnClaims,
        lease: OwnLease,
        entries: DirectoryEntries,
        taking: Taking,
        *,
        outdated: Callable[[], None],
        void: Callable[[OwnClaim], None],
    ) -> None:
        """``outdated`` as in ``Claiming``, ``void`` as in ``Confirming``."""
        self._claims = claims
        self._lease = lease
        self._entries = entries
        self._taking = taking
        self._outdated = outdated
        self._void = void
        self._tasks: set[asyncio.Task[None]] = set()
        self._unreleased: list[OwnClaim] = []
        self._unanswered: set[str] = set()
        """Openids whose claim the directory may have written down, though it did not say so."""

    @property
    def under_way(self) -> int:
        """How much is being told."""
        return len(self._tasks)

    def settle(self, claim: OwnClaim, before: str) -> None:
        """A claim has a session; ``before`` is the one that it had, or ""."""
        self._begin(self._settle(claim, before))

    def taken(self, openid: str, holder: ClaimHolder) -> None:
        """What another node gave is in good hands."""
        self._begin(self._confirm(openid, holder))

    def release(self, claim: OwnClaim) -> None:
        """A claim is given back."""
        self._begin(self._heard(self._entries.release(claim), partial(self._unreleased.append, claim)))

    def withdraw(self, openid: str, generation: int) -> None:
        """A claim came to nothing: others would wait for what comes of it."""
        self._begin(self._heard(self._entries.withdraw(openid, generation), partial(self._unanswered.add, openid)))

    @contextmanager
    def unanswered(self, openid: str) -> Iterator[None]:
        """Remember that an openid is claimed until there is an answer, or else until the directory is back."""
        self._unanswered.add(openid)
        yield
        self._unanswered.discard(openid)

    def directory_found(self) -> None:
        """It can be told again: of what may be left there that this node does not have others have to hear soon."""
        unanswered, self._unanswered = self._unanswered, set()
        for openid in unanswered:
            told = self._entries.forget(openid, self._claims.of(openid))
            self._begin(self._heard(told, partial(self._unanswered.add, openid)))
        unreleased, self._unreleased = self._unreleased, []
        for claim in unreleased:
            self.release(claim)

    async def stop(self) -> None:
        """Wait for what is being told; idempotent."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _settle(self, claim: OwnClaim, before: str) -> None:
        claim.untold = True
        if claim.term < self._lease.era_since:
            return  # new data does not know the claim yet: its session is told when that is confirmed
        refused = await self._entries.settle(claim, before, self._lease.era)
        claim.untold = refused is not None
        if refused is Refused.ERA:
            self._outdated()
        elif refused is Refused.GONE and claim in self._claims.of(claim.openid) and not claim.unwritten:
            self._claims.drop(claim)
            self._void(claim)

    async def _heard(self, answer: asyncio.Future[object], otherwise: Callable[[], None]) -> None:
        """Wait for the answer to what was asked already: before anything that is asked from now on."""
        try:
            await answer
        except DirectoryUnavailable:
            otherwise()

    async def _confirm(self, openid: str, holder: ClaimHolder) -> None:
        try:
            await self._taking.confirm(openid, holder)
        except PeerUnreachable as error:
            _log.debug("hand-over not confirmed", extra={"node": holder.node, "reason": str(error)})

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, DirectoryUnavailable):  # then all is confirmed again
            _log.error("directory not told", exc_info=error)
