"""A node as the client of the others: what it asks them, and what it sends them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, cast

from quicgw_fast.cluster.lease import Vouched
from quicgw_fast.cluster.peering.carrying import Carrying
from quicgw_fast.cluster.peering.lines import NodeLines
from quicgw_fast.cluster.peers import OutdatedAttempt, PeerUnreachable
from quicgw_fast.proto import node_pb2 as pb
from quicgw_fast.proto.session_pb2 import SessionState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from google.protobuf.message import Message

    from quicgw_fast.cluster.peering.access import NodeAccess
    from quicgw_fast.cluster.peering.lines import AddressOf
    from quicgw_fast.placement import Attempt
    from quicgw_fast.proto.node_pb2 import HasResponse
    from quicgw_fast.proto.service_pb2 import (
        BroadcastRequest,
        BroadcastResponse,
        GroupMembersRequest,
        GroupMembersResponse,
        GroupPushRequest,
        GroupPushResponse,
        GroupResponse,
        JoinGroupRequest,
        LeaveGroupRequest,
        SessionsOfRequest,
        SessionsOfResponse,
        UnicastPushRequest,
        UnicastPushResponse,
        UpstreamRegisterRequest,
        UpstreamRegisterResponse,
    )

ANSWER_WITHIN: Final = 1.0
"""Seconds in which a node has to answer what a START or an operator waits for."""
ASKED_AGAIN: Final = (0.1, 0.5, 2.0)
"""Seconds until the next try of what a node must hear, each time."""
CARRIED_WITHIN: Final = 3.0
"""Seconds for pushes and replies, of which many may be in one call: less than services and tools wait for theirs."""
BROADCAST_WITHIN: Final = 30.0
"""Seconds for what reaches every session of a node, as long as that answers anything else."""
_MILLISECONDS: Final = 1000


class NodeClient:
    """Reaches the other nodes by name; is the ``Peers`` of the directory's placement. Made in the running loop.

    Every call raises PeerUnreachable where no answer comes in its time.
    """

    def __init__(self, node: str, access: NodeAccess, address_of: AddressOf) -> None:
        """``node`` is this one's name; ``address_of`` as ``NodeLines`` needs it."""
        self._node = node
        self._lines = NodeLines(access, address_of)
        self._carrying = Carrying(self._carried)

    async def close(self) -> None:
        """Break off whatever is under way."""
        await self._carrying.stop()
        await self._lines.close()

    def keep(self, nodes: Collection[str]) -> None:
        """Of all nodes there are these alone."""
        self._lines.keep(nodes)

    async def fetch(
        self, node: str, openid: str, held: int, generation: int, session_ids: Sequence[str], attempt: Attempt
    ) -> list[bytes]:
        """See ``Peers``."""
        request = pb.FetchRequest(
            node=self._node,
            openid=openid,
            held=held,
            generation=generation,
            session_ids=session_ids,
            epoch=attempt.epoch,
            attempt=attempt.number,
        )
        answer: pb.FetchResponse = await self._lines.call(node, "Fetch", request, ANSWER_WITHIN)
        if answer.late:
            raise OutdatedAttempt(f"{node}: a newer attempt of the client is there")
        if answer.outdated:
            raise PeerUnreachable(f"{node}: a newer claim was given what it had", surely=True)
        return [_from_node(node) + session for session in answer.sessions]

    async def confirm(self, node: str, openid: str, held: int) -> None:
        """See ``Peers``; tried again for a while: who never hears it takes what it gave for lost."""
        await self._surely(node, "Confirm", pb.ConfirmRequest(openid=openid, held=held))

    async def stored(self, node: str, openid: str) -> None:
        """Have a node look into the offline store again for who is there; tried again for a while, as ``confirm``."""
        await self._surely(node, "Stored", pb.StoredRequest(openids=[openid]))

    async def vouch(self, node: str, era: str) -> Vouched:
        """See ``Peers``."""
        request = pb.VouchRequest(node=self._node, era=era)
        answer: pb.VouchResponse = await self._lines.call(node, "Vouch", request, ANSWER_WITHIN)
        return Vouched(answer.outcome)

    def hand_on(self, node: str, reply: pb.HandedReply) -> asyncio.Future[bool]:
        """Give a node the reply of a request; whether its session is there."""
        return self._carrying.reply(node, reply)

    async def push(self, node: str, request: UnicastPushRequest) -> UnicastPushResponse:
        """Have a node take a push for a session of its own, and return its answer."""
        if not request.wait_ack_ms:
            return await self._carrying.push(node, request)
        within = ANSWER_WITHIN + request.wait_ack_ms / _MILLISECONDS
        return cast("UnicastPushResponse", await self._lines.call(node, "Push", request, within))

    async def broadcast(self, node: str, request: BroadcastRequest) -> BroadcastResponse:
        """Have a node push to all sessions of its own."""
        return cast("BroadcastResponse", await self._long(node, "Broadcast", request))

    async def kick(self, node: str, openid: str, session_id: str, reason: str) -> int:
        """Have a node end sessions; how many it has ended."""
        request = pb.KickRequest(openid=openid, session_id=session_id, reason=reason)
        answer: pb.KickResponse = await self._lines.call(node, "Kick", request, ANSWER_WITHIN)
        return answer.ended

    async def join(self, node: str, request: JoinGroupRequest) -> GroupResponse:
        """Have sessions of a node be in a group."""
        return cast("GroupResponse", await self._lines.call(node, "Join", request, CARRIED_WITHIN))

    async def leave(self, node: str, request: LeaveGroupRequest) -> GroupResponse:
        """Take sessions of a node out of a group."""
        return cast("GroupResponse", await self._lines.call(node, "Leave", request, CARRIED_WITHIN))

    async def spread(self, node: str, request: GroupPushRequest) -> GroupPushResponse:
        """Have a node push to those of its sessions that are in a group."""
        return cast("GroupPushResponse", await self._long(node, "Spread", request))

    async def members(self, node: str, request: GroupMembersRequest) -> GroupMembersResponse:
        """Ask a node for a page of those of its sessions that are in a group."""
        return cast("GroupMembersResponse", await self._lines.call(node, "Members", request, CARRIED_WITHIN))

    async def present(self, node: str, request: SessionsOfRequest) -> SessionsOfResponse:
        """Ask a node for its sessions of an openid."""
        return cast("SessionsOfResponse", await self._lines.call(node, "Present", request, CARRIED_WITHIN))

    async def register(self, node: str, request: UpstreamRegisterRequest) -> UpstreamRegisterResponse:
        """Have a node take a service in, or let it go."""
        return cast("UpstreamRegisterResponse", await self._lines.call(node, "Register", request, CARRIED_WITHIN))

    async def describe(self, node: str) -> pb.DescribeResponse:
        """Ask a node how it is, and have it know this one."""
        request = pb.DescribeRequest(node=self._node)
        return cast("pb.DescribeResponse", await self._lines.call(node, "Describe", request, ANSWER_WITHIN))

    async def has(self, node: str, target_type: str, target_id: str) -> HasResponse:
        """Ask the process before this one whether it has whom a push is for."""
        request = pb.HasRequest(target_type=target_type, target_id=target_id)
        return cast("HasResponse", await self._lines.call(node, "Has", request, ANSWER_WITHIN))

    async def look(self, node: str, request: pb.LookRequest) -> dict[str, Any]:
        """Ask a node for its part of an admin page; empty for a session that it does not know."""
        answer: pb.LookResponse = await self._lines.call(node, "Look", request, CARRIED_WITHIN)
        page: dict[str, Any] = json.loads(answer.page or b"{}")
        return page

    async def drain(self, node: str) -> pb.DrainResponse:
        """Have a node stop."""
        return cast("pb.DrainResponse", await self._lines.call(node, "Drain", pb.DrainRequest(), ANSWER_WITHIN))

    async def _surely(self, node: str, name: str, request: Message) -> None:
        for pause in ASKED_AGAIN:
            try:
                await self._lines.call(node, name, request, ANSWER_WITHIN)
            except PeerUnreachable:
                await asyncio.sleep(pause)  # nobody tells when it can be reached again
            else:
                return
        await self._lines.call(node, name, request, ANSWER_WITHIN)

    async def _long(self, node: str, name: str, request: Message) -> Any:
        """Wait for what may take long: whether the node still does it, or hangs, is seen by another call."""
        call = asyncio.create_task(self._lines.call(node, name, request, BROADCAST_WITHIN), name="long-node-call")
        try:
            while not (await asyncio.wait({call}, timeout=ANSWER_WITHIN))[0]:
                await self.describe(node)
            return call.result()
        finally:
            call.cancel()

    async def _carried(self, node: str, request: pb.CarryRequest) -> pb.CarryResponse:
        return cast("pb.CarryResponse", await self._lines.call(node, "Carry", request, CARRIED_WITHIN))


def _from_node(name: str) -> bytes:
    """Return what stands before the bytes of a session that this node gave.

    Joined bytes are one message (protobuf's "last one wins"), so where it came from before that it says itself.
    """
    return SessionState(came_from=name).SerializeToString()
