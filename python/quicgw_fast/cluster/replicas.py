"""The replicas of this node's sessions, in the directory: written under its claims, and read by whoever takes over.

One value for each openid, which a whole replaces and a change is appended to. The script writes only while the claim by
which the session is here is in the directory, and ``take`` removes that from who died: so behind a ``take`` nothing is
written any more, and what is read then is all there is. It answers, too, whether what was there is as long as it has to
be: a directory that lost something has the session written anew.

A replica is good in the life of the data (*era*) in which it was written. A directory that started again may have lost
the last of what it said was written.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.link import DirectoryUnavailable
from quicgw_fast.cluster.records import Refused
from quicgw_fast.placement import Written
from quicgw_fast.proto.session_pb2 import SessionReplica

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import OwnLease
    from quicgw_fast.cluster.own_claims import OwnClaim, OwnClaims
    from quicgw_fast.placement import ReplicaRecord

OUTCOMES: Final = {"k": Written.DONE, "a": Written.AGAIN, "g": Written.VOID}

_log = logging.getLogger("quicgw.cluster")


class Replicas:
    """Writes them."""

    def __init__(
        self,
        claims: OwnClaims,
        lease: OwnLease,
        entries: DirectoryEntries,
        up: Callable[[], bool],
        *,
        outdated: Callable[[], None],
        void: Callable[[OwnClaim], None],
    ) -> None:
        """``up`` says whether the directory can be asked; ``outdated`` and ``void`` as in ``Telling``."""
        self._claims = claims
        self._lease = lease
        self._entries = entries
        self._up = up
        self._outdated = outdated
        self._void = void
        self._tasks: set[asyncio.Task[list[Written]]] = set()

    @property
    def ready(self) -> bool:
        """See ``ReplicaKeeper``."""
        return self._up()

    def write(self, records: Sequence[ReplicaRecord]) -> asyncio.Future[list[Written]]:
        """See ``ReplicaKeeper``."""
        task = asyncio.ensure_future(self._write(records))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def refresh(self, openids: Sequence[str]) -> None:
        """See ``ReplicaKeeper``."""
        self._entries.refresh_replicas(openids)

    async def stop(self) -> None:
        """Wait for what is being written; idempotent."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, records: Sequence[ReplicaRecord]) -> list[Written]:
        outcomes = {record.openid: Written.LATER for record in records}
        written: list[tuple[OwnClaim, ReplicaRecord]] = []
        for record in records:
            claims = self._claims.of(record.openid)
            if not claims:
                outcomes[record.openid] = Written.VOID
            elif claims[0].sure and claims[0].term == self._lease.term:
                written.append((claims[0], record))
        if written:
            outcomes |= await self._ask(written)
        return [outcomes[record.openid] for record in records]

    async def _ask(self, written: list[tuple[OwnClaim, ReplicaRecord]]) -> dict[str, Written]:
        era = self._lease.era
        head = SessionReplica(era=era).SerializeToString()
        some = []
        for claim, record in written:
            behind, data = (record.behind + len(head), record.data) if record.behind else (0, head + record.data)
            some.append((claim.openid, claim.generation, behind, data))
        try:
            answer = await self._entries.replicate(some, era)
        except DirectoryUnavailable as error:
            _log.debug("sessions not written", extra={"reason": str(error), "sessions": len(written)})
            return {}
        if isinstance(answer, Refused):
            self._outdated()
            return {}
        outcomes = {}
        for (claim, record), letter in zip(written, answer, strict=True):
            outcomes[record.openid] = OUTCOMES[letter]
            if OUTCOMES[letter] is Written.VOID:
                self._lost(claim)
        return outcomes

    def _lost(self, claim: OwnClaim) -> None:
        """Somebody else has it: what is here of it is closed, unless that is known already."""
        if claim in self._claims.of(claim.openid):
            self._claims.drop(claim)
            self._void(claim)
