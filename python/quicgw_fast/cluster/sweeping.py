"""What nodes that are no more had claimed, and nobody came back for, is forgotten, one slice after the other.

A claim stays in the directory until its openid comes back, as who comes is to learn what was lost. After a while nobody
will. The first of all nodes by name walks through the directory then, and has claims removed whose node has had no
lease for so long that no session of it could be resumed any more, in this life of the data and without a gap in which
this node could have missed one. The step that removes looks at the lease again.

That takes nothing away from who could act: a node acts while its lease surely holds, or while others vouch for it. Who
can reach the directory vouches by renewing that lease; whom this node promised to leave alone is spared; and one that
wakes up later finds its claim gone when it asks, as if somebody else had the openid, before it does anything for it.
Two nodes that both believe to be the first do the same twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.lease import NodeStanding
from quicgw_fast.cluster.records import Refused

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import OwnLease, Promises
    from quicgw_fast.cluster.membership import Membership
    from quicgw_fast.observe import Metrics

SLICE: Final = 200
"""Keys that the directory looks at in one step, of which there is one a second: a session has two or three."""
REST: Final = 60.0
"""Seconds."""
BEGINNING: Final = 0
"""The cursor of a walk that has not begun, and of one that is over."""

_log = logging.getLogger("quicgw.cluster")


class Sweeping:
    """Walks while it is this node's turn; ``step`` is called once a second."""

    def __init__(
        self,
        node: str,
        membership: Membership,
        lease: OwnLease,
        promises: Promises,
        entries: DirectoryEntries,
        clock: Clock,
        metrics: Metrics,
        *,
        dead_for: float,
        rest: float = REST,
    ) -> None:
        """``dead_for`` are the seconds that a node has to be without a lease, at least two leases.

        ``rest`` are those between the end of one walk and the next.
        """
        self._node = node
        self._membership = membership
        self._lease = lease
        self._promises = promises
        self._entries = entries
        self._now = clock.now
        self._dead_for = max(dead_for, 2 * lease.length)
        self._rest = rest
        self._term = 0
        """Of the lease in which all that follows was learnt: behind a gap it says nothing."""
        self._dead_since: dict[str, float] = {}
        """Nodes without a lease that claims are left of, and when this node first saw that."""
        self._seen: set[str] = set()
        """Those of them that this walk has met: of others nothing is left."""
        self._cursor = BEGINNING
        self._rests_until = 0.0
        self._count = metrics.counter(
            "claims_swept", "Claims of nodes that are no more, which this node had the directory forget"
        )

    async def step(self) -> None:
        """Look at the next slice, if it is time and this node's turn; raises DirectoryUnavailable."""
        now, lease = self._now(), self._lease
        names = [record.name for record in self._membership.nodes]
        turn = lease.standing(now) is NodeStanding.HELD and min(names, default="") == self._node
        if not turn or lease.term != self._term:
            self._begin_anew(lease.term)
        for name in names:
            self._dead_since.pop(name, None)
        if turn and now >= self._rests_until:
            await self._slice(now)

    def _begin_anew(self, term: int) -> None:
        self._term, self._cursor = term, BEGINNING
        self._dead_since.clear()
        self._seen.clear()

    async def _slice(self, now: float) -> None:
        term = self._term
        gone = [
            node
            for node, since in self._dead_since.items()
            if now - since >= self._dead_for and not self._promises.spares(node, now)
        ]
        swept = await self._entries.sweep(self._lease.era, self._cursor, SLICE, gone)
        if isinstance(swept, Refused):
            self._membership.wake()
            return
        if term != self._lease.term:
            return
        if swept.forgotten:
            self._count.value += swept.forgotten
            _log.info("claims forgotten", extra={"claims": swept.forgotten, "nodes": gone})
        self._cursor = swept.cursor
        self._seen.update(swept.dead)
        for node in swept.dead:
            self._dead_since.setdefault(node, now)
        if swept.cursor == BEGINNING:
            self._dead_since = {node: since for node, since in self._dead_since.items() if node in self._seen}
            self._seen.clear()
            self._rests_until = now + self._rest
