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
from typing import TYPE_CHECKING, Final, cast

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
        current: Callable[[], bool],
        *,
        outdated: Callable[[], None],
        void: Callable[[OwnClaim], None],
    ) -> None:
        """``current`` as in ``Membership``; ``outdated`` and ``void`` as in ``Telling``."""
        self._claims = claims
        self._lease = lease
        self._entries = entries
        self._current = current
        self._outdated = outdated
        self._void = void

    @property
    def ready(self) -> bool:
        """See ``ReplicaKeeper``."""
        return self._current()

    @property
    def life(self) -> str:
        """See ``ReplicaKeeper``."""
        return self._lease.era

    def write(self, records: Sequence[ReplicaRecord]) -> asyncio.Future[list[Written]]:
        """See ``ReplicaKeeper``."""
        outcomes: dict[str, Written] = {}
        written: list[tuple[OwnClaim, ReplicaRecord]] = []
        for record in records:
            claims = self._claims.of(record.openid)
            if claims and claims[0].sure and claims[0].term == self._lease.term and self.ready:
                written.append((claims[0], record))
            else:
                outcomes[record.openid] = Written.LATER if claims else Written.VOID
        told: asyncio.Future[list[Written]] = asyncio.get_running_loop().create_future()

        def tell() -> None:
            if not told.done():
                told.set_result([outcomes[record.openid] for record in records])

        def answered(answer: asyncio.Future[object]) -> None:
            outcomes.update(self._outcomes(answer, written))
            tell()

        if written:
            self._ask(written).add_done_callback(answered)
        else:
            tell()
        return told

    def refresh(self, openids: Sequence[str]) -> None:
        """See ``ReplicaKeeper``."""
        self._entries.refresh_replicas(openids)

    def _ask(self, written: list[tuple[OwnClaim, ReplicaRecord]]) -> asyncio.Future[object]:
        era, some = self._lease.era, []
        head = SessionReplica(era=era).SerializeToString()
        for claim, record in written:
            behind, data = (record.behind + len(head), record.data) if record.behind else (0, head + record.data)
            some.append((claim.openid, claim.generation, behind, data))
        return self._entries.replicate(some, era)

    def _outcomes(
        self, answer: asyncio.Future[object], written: list[tuple[OwnClaim, ReplicaRecord]]
    ) -> dict[str, Written]:
        letters = ""
        if answer.cancelled() or answer.exception() is not None:
            _log.debug("sessions not written", extra={"sessions": len(written)})
        else:
            letters = cast("bytes", answer.result()).decode()
        if letters == Refused.ERA.value:
            self._outdated()
        if len(letters) != len(written) or letters == Refused.ERA.value:
            return {record.openid: Written.LATER for _, record in written}
        outcomes = {}
        for (claim, record), letter in zip(written, letters, strict=True):
            outcomes[record.openid] = OUTCOMES[letter]
            if OUTCOMES[letter] is Written.VOID:
                self._lost(claim)
                if self._claims.of(claim.openid):  # a START claimed it anew here, while this was on its way
                    outcomes[record.openid] = Written.AGAIN
        return outcomes

    def _lost(self, claim: OwnClaim) -> None:
        """Somebody else has it: what is here of it is closed, unless that is known already."""
        if claim in self._claims.of(claim.openid):
            self._claims.drop(claim)
            self._void(claim)
