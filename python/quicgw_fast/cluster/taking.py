"""An openid is taken from who has it: the sessions are fetched, or known to be lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.placement import UNCOUNTED

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.entries import DirectoryEntries
    from quicgw_fast.cluster.lease import Promises
    from quicgw_fast.cluster.peers import Peers
    from quicgw_fast.cluster.records import ClaimHolder, Refused
    from quicgw_fast.cluster.recovery import Recovery
    from quicgw_fast.placement import Attempt

FETCHED_WITHIN: Final = 0.6
"""Seconds in which a node has to give up its sessions, as a START waits for them (``pending_starts.LONGEST_WAIT``)."""


class Yielded(NamedTuple):
    """What came of it that somebody had to give something up."""

    arrivals: tuple[bytes, ...]
    lost: tuple[ClaimHolder, ...]
    """Who died with it."""


NOTHING: Final = Yielded((), ())


class Taking:
    """Asks the holder, then the directory; in that order, so that nobody is forgotten who has not given up."""

    def __init__(
        self,
        entries: DirectoryEntries,
        peers: Peers,
        promises: Promises,
        clock: Clock,
        *,
        devices: int,
        recovery: Recovery | None = None,
    ) -> None:
        """``recovery`` brings sessions back whose node died; None where that is not to be."""
        self.recovery = recovery
        self._entries = entries
        self._peers = peers
        self._promises = promises
        self._now = clock.now
        self._devices = devices

    async def yielded(self, openid: str, generation: int, holder: ClaimHolder, attempt: Attempt = UNCOUNTED) -> Yielded:
        """Have the holder give up what it has; raises PeerUnreachable for one that may live, and does not answer.

        One whose lease is over is asked as well: perhaps its way to the directory alone is cut. Raises OutdatedAttempt
        where the holder has a newer ``attempt`` of the client.
        """
        named = (holder.session_id,) if self._devices > 1 and holder.session_id else ()
        try:
            async with asyncio.timeout(FETCHED_WITHIN):
                fetched = await self._peers.fetch(holder.node, openid, holder.generation, generation, named, attempt)
        except (TimeoutError, PeerUnreachable) as error:
            if not holder.alive and not self._promises.spares(holder.node, self._now()):
                return Yielded((), (holder,))
            raise PeerUnreachable(str(error) or f"no answer within {FETCHED_WITHIN:g} s") from error
        return Yielded(tuple(fetched), ())

    async def taken(
        self, openid: str, generation: int, holder: ClaimHolder, yielded: Yielded, era: str
    ) -> tuple[Refused | None, Yielded]:
        """Have the directory forget the holder; None when that is so, with what there is then.

        Raises DirectoryUnavailable.
        """
        refused = await self._entries.take(openid, generation, holder, era, dead=bool(yielded.lost))
        return refused, yielded if refused is not None else await self.recovered(openid, yielded)

    async def recovered(self, openid: str, yielded: Yielded) -> Yielded:
        """Bring back what is lost, if it is written down, once it is ``taken``; raises DirectoryUnavailable."""
        if self.recovery is None or not yielded.lost:
            return yielded
        replica = await self._entries.replica(openid)
        state = self.recovery.revived(replica, openid, yielded.lost[0].node)
        return yielded if state is None else Yielded((*yielded.arrivals, state), ())

    async def confirm(self, openid: str, holder: ClaimHolder) -> None:
        """Tell the holder that all is in good hands; raises PeerUnreachable, after which it forgets by itself."""
        await self._peers.confirm(holder.node, openid, holder.generation)
