"""Where an openid lives while two processes share its port: the ``placement`` of a gateway that is alone otherwise."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.placement import HERE, UNCOUNTED, Place, PlaceTrouble

if TYPE_CHECKING:
    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.placement import Answer, Attempt
    from quicgw_fast.upgrading.inheriting import Inheriting
    from quicgw_fast.upgrading.neighbours import Neighbours

LOOKS: Final = 3
"""How often is asked for a session that is given away just now."""


class NextOfKin:
    """Answers at once while this process is alone. Of two the successor decides: it alone takes clients in."""

    def __init__(self, neighbours: Neighbours, client: NodeClient, inheriting: Inheriting) -> None:
        self._neighbours = neighbours
        self._client = client
        self._inheriting = inheriting
        self._tasks: set[asyncio.Task[Place]] = set()

    def claim(self, openid: str, session_id: str, attempt: Attempt = UNCOUNTED) -> Answer:
        """See ``Placement``: who has come to the successor came behind whoever is at its predecessor."""
        del session_id, attempt
        return HERE if self._inheriting.had(openid) else self._inheriting.take(openid)

    def find(self, target_type: str, target_id: str) -> Answer:
        """See ``Placement``: what the predecessor does not have, its successor is to find, or to keep."""
        if self._neighbours.behind:
            return _at(self._neighbours.behind)
        if not self._neighbours.before:
            return HERE
        task = asyncio.create_task(self._found(target_type, target_id), name="find")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def settled(self, openid: str, session_id: str, epoch: str, gid: str) -> None:
        """Nobody asks."""

    def released(self, openid: str, session_id: str) -> None:
        """Nobody asks."""

    async def _found(self, target_type: str, target_id: str) -> Place:
        for _look in range(LOOKS):
            before = self._neighbours.before
            if not before:
                return HERE
            try:
                answer = await self._client.has(before, target_type, target_id)
            except PeerUnreachable as error:
                if self._neighbours.before:
                    return Place(False, str(error), PlaceTrouble.NODE_UNREACHABLE, (before,))
                return HERE
            if not answer.leaving:
                # What it does not have was never there, or has arrived: that was confirmed before it was forgotten.
                return _at(before) if answer.here else HERE
            await self._inheriting.settled()
        return Place(False, "its session is on its way here", PlaceTrouble.NODE_UNREACHABLE, (before,))


def _at(node: str) -> Place:
    return Place(False, f"it is at {node}", PlaceTrouble.ELSEWHERE, (node,))
