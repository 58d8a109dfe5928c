"""A successor takes the sessions of its predecessor: those of one openid at a time, when somebody asks for them.

They arrive, then that is confirmed, and only then anything is done for them, as between the nodes of a cluster. Of each
openid one attempt is under way at most, however many wait for it. The predecessor takes nobody in any more, so what
was taken from it once need not be asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.placement import HERE, UNCOUNTED, Place, PlaceTrouble
from quicgw_fast.session import UnreadableSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.upgrading.neighbours import Neighbours

GENERATION: Final = 1
"""Of every claim: there is one successor."""
RETRY_AFTER: Final = 0.5
"""Seconds after which a client may try again whose session could not be had."""
AT_ONCE: Final = 32
"""Of those that the predecessor names; clients that come by themselves do not wait for others."""

_log = logging.getLogger("quicgw.upgrade")


class Inheriting:
    """Takes them."""

    def __init__(self, neighbours: Neighbours, client: NodeClient, arrive: Callable[[Sequence[bytes]], object]) -> None:
        """``arrive`` has sessions here (``flow.arrivals``)."""
        self._neighbours = neighbours
        self._client = client
        self._arrive = arrive
        self._had: set[str] = set()
        """Openids of which the predecessor has nothing any more."""
        self._under_way: dict[str, asyncio.Task[Place]] = {}
        self._few = asyncio.Semaphore(AT_ONCE)
        self._named: set[asyncio.Task[None]] = set()

    def had(self, openid: str) -> bool:
        """Whether all of an openid is here, as far as it will ever be."""
        return not self._neighbours.before or openid in self._had

    def take(self, openid: str) -> asyncio.Future[Place]:
        """Have what there is of an openid here; whoever waits for that may stop waiting."""
        task = self._under_way.get(openid)
        if task is None:
            task = self._under_way[openid] = asyncio.create_task(self._take(openid), name="inherit")
            task.add_done_callback(lambda _: self._under_way.pop(openid, None))
        return asyncio.shield(task)

    def take_all(self, openids: Sequence[str]) -> None:
        """Begin to take these, which nobody waits for."""
        for openid in openids:
            task = asyncio.create_task(self._in_turn(openid), name="inherit")
            self._named.add(task)
            task.add_done_callback(self._named.discard)

    async def settled(self) -> None:
        """Wait until whatever is on its way at this moment has arrived."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def stop(self) -> None:
        """Take nothing any more."""
        for task in (*self._under_way.values(), *self._named):
            task.cancel()

    async def _in_turn(self, openid: str) -> None:
        async with self._few:
            place = await self.take(openid)
        if not place.here:
            _log.warning("session not inherited", extra={"openid": openid, "reason": place.detail})

    async def _take(self, openid: str) -> Place:
        place = await self._taken(openid, self._neighbours.before)
        if place.here:
            self._had.add(openid)
        return place

    async def _taken(self, openid: str, before: str) -> Place:
        if not before:
            return HERE
        try:
            sessions = await self._client.fetch(before, openid, 0, GENERATION, (), UNCOUNTED)
            if sessions:
                self._arrive(sessions)
                await self._client.confirm(before, openid, 0)
        except PeerUnreachable as error:
            return _not_now(f"the process that has it does not answer ({error})", before)
        except BudgetFull:
            return _not_now("there is no memory for the session that comes with it", before)
        except UnreadableSession as error:
            return _not_now(f"its session comes from a gateway of another release ({error})", before)
        return HERE


def _not_now(why: str, node: str) -> Place:
    return Place(False, why, PlaceTrouble.NODE_UNREACHABLE, (node,), RETRY_AFTER)
