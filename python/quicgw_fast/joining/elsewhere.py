"""The other gateways, as the flow of this one sees them: who has a session is asked of the directory, then reached."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.codes import PushCode
from quicgw_fast.flow.targets import PushRefused, away
from quicgw_fast.placement import Place
from quicgw_fast.proto import node_pb2 as pb
from quicgw_fast.proto.service_pb2 import UnicastPushResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.flow.elsewhere import HandedReply
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import Placement
    from quicgw_fast.proto.service_pb2 import UnicastPushRequest

TRIED_FOR: Final = 30.0
"""Seconds in which a reply is brought to its session: whoever has that answers 500 by itself, sooner or later."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two tries."""
REMEMBERED: Final = 1 << 16
"""Targets of pushes of which it is remembered where they were found last."""

_log = logging.getLogger("quicgw.cluster")


class OtherNodes:
    """Brings pushes and replies to where their sessions are."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        client: NodeClient,
        placement: Placement,
        take: Callable[[HandedReply], bool],
    ) -> None:
        """``take`` is for replies of sessions that turn out to be here by now."""
        self._now = clock.now
        self._count_undelivered = metrics.counter(
            "replies_undelivered", "Replies whose session could not be reached at the gateway to which it went"
        )
        self._client = client
        self._placement = placement
        self._take = take
        self._tasks: set[asyncio.Task[None]] = set()
        self._found: dict[tuple[str, str], str] = {}
        """At which node targets of pushes were. That may be over: then the node says MOVED, and the directory knows."""

    async def stop(self, within: float) -> None:
        """Bring what is on its way, in so many seconds, and nothing any more."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hand_on(self, handed: HandedReply) -> None:
        """See ``Elsewhere``."""
        task = asyncio.create_task(self._bring(handed), name="hand-on")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def knows(self, target_type: str, target_id: str) -> bool:
        """See ``Elsewhere``."""
        return (target_type, target_id) in self._found

    async def push(self, request: UnicastPushRequest) -> UnicastPushResponse | None:
        """See ``Elsewhere``: where the session moves at that moment, it is looked for once more."""
        target = request.target_type, request.target_id
        if (node := self._found.get(target)) is not None:
            answer, again = await self._push_to(node, request)
            if not again:
                return answer
        for _attempt in range(2):
            place = await self._find(*target)
            if place.here:
                return None
            if not place.nodes:
                return _refused(away(*target, place))
            self._remember(target, place.nodes[0])
            answer, _ = await self._push_to(place.nodes[0], request)
            if answer.error_code != PushCode.MOVED:
                return answer
        return answer

    async def _push_to(self, node: str, request: UnicastPushRequest) -> tuple[UnicastPushResponse, bool]:
        """Return the answer of a node, and whether another one may take what this one surely has not."""
        try:
            answer = await self._client.push(node, request)
        except PeerUnreachable as error:
            taken = "" if error.surely else "; it may have been taken"
            answer, again = _refused(PushRefused(PushCode.NODE_UNREACHABLE, f"{error}{taken}")), error.surely
        else:
            if answer.error_code != PushCode.MOVED:
                return answer, False
            again = True
        self._found.pop((request.target_type, request.target_id), None)
        return answer, again

    def _remember(self, target: tuple[str, str], node: str) -> None:
        if target[0] == "gid":
            return  # the newest of its sessions is meant, and the node of an older one would not know of that
        if len(self._found) >= REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[target] = node

    async def _bring(self, handed: HandedReply) -> None:
        until, pause = self._now() + TRIED_FOR, FIRST_PAUSE
        while not await self._brought(handed):
            if self._now() > until:
                self._count_undelivered.value += 1
                fields = {"session": handed.session_id, "openid": handed.openid, "number": handed.client_seq}
                _log.warning("reply not delivered", extra=fields)
                return
            await asyncio.sleep(pause)  # the node that takes the session over has not told the directory yet
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _brought(self, handed: HandedReply) -> bool:
        place = await self._find("session", handed.session_id)
        if place.here:
            return self._take(handed)
        reply = handed.reply
        message = pb.HandedReply(
            session_id=handed.session_id,
            openid=handed.openid,
            client_seq=handed.client_seq,
            push_type=int(reply.push_type),
            code=reply.code,
            message=reply.message,
            data=reply.data,
            headers=reply.headers,
        )
        for node in place.nodes:
            try:
                if await self._client.hand_on(node, message):
                    return True
            except PeerUnreachable as error:
                _log.debug("reply not taken", extra={"node": node, "reason": str(error)})
        return False

    async def _find(self, target_type: str, target_id: str) -> Place:
        answer = self._placement.find(target_type, target_id)
        return answer if isinstance(answer, Place) else await answer


def _refused(refused: PushRefused) -> UnicastPushResponse:
    return UnicastPushResponse(success=False, error_code=refused.code, message=str(refused))
