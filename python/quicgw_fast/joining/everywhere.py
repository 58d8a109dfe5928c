"""What is for every node of the cluster: broadcasts, kicks, and services that offer themselves to one of them."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from quicgw_fast.errors import NodesUnreached
from quicgw_fast.joining.groups import GroupsEverywhere, new_spread_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.flow.from_services import FromServices
    from quicgw_fast.flow.kicking import Kicks
    from quicgw_fast.flow.taken import Taken
    from quicgw_fast.joining.others import Others
    from quicgw_fast.placement import Placement
    from quicgw_fast.proto import service_pb2 as pb

_log = logging.getLogger("quicgw.cluster")


class Everywhere:
    """The gateway's own, and then those of all other nodes."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        client: NodeClient,
        others: Others,
        placement: Placement,
        services: FromServices,
        kicks: Kicks,
        register: Callable[[pb.UpstreamRegisterRequest], Awaitable[pb.UpstreamRegisterResponse]],
    ) -> None:
        """``name`` is this node's; ``services`` and ``register`` are for what is here."""
        self.groups = GroupsEverywhere(name, client, others, placement, services)
        self._now = clock.now
        self._client = client
        self._others = others
        self._pushes = services.pushes
        self._kicks = kicks
        self._register = register
        self._registered: dict[tuple[str, str, str], tuple[pb.UpstreamRegisterRequest, float]] = {}
        """Services that offered themselves here, and until when: for nodes that come later."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Tell nobody any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # As the gRPC port needs it (``control.Pusher``, ``control.Registrar``)

    async def push(self, request: pb.UnicastPushRequest, *, follow: bool = False) -> Taken:
        """To one client, wherever it is."""
        return await self._pushes.push(request, follow=follow)

    async def batch(self, requests: Sequence[pb.UnicastPushRequest]) -> list[Taken]:
        """To many."""
        return await self._pushes.batch(requests)

    async def broadcast(self, request: pb.BroadcastRequest) -> pb.BroadcastResponse:
        """To the sessions of every node; ``sent_count`` is the sum, and nodes that did not answer are named."""
        request.spread_id = new_spread_id()
        others = self._others.all(lambda node: self._client.broadcast(node, request))
        there, here = await asyncio.gather(others, self._pushes.broadcast(request))
        here.everywhere = True
        here.unreached_nodes.extend(there.unreached)
        for answer in there.answers.values():
            here.sent_count += answer.sent_count
            here.pending_bytes += answer.pending_bytes
            here.most_pending_bytes = max(here.most_pending_bytes, answer.most_pending_bytes)
        return here

    async def register(self, request: pb.UpstreamRegisterRequest) -> pb.UpstreamRegisterResponse:
        """Take a service in here, or let it go, and have every other node do so."""
        answer = await self._register(request)
        if answer.success:
            self._remember(request)
            for node in self._others.names():
                self._tell(node, request)
        return answer

    # As operators need it

    async def kick(self, *, openid: str = "", session_id: str = "", reason: str = "") -> int:
        """End the sessions of an openid, or one session, wherever they are; how many there were.

        Raises NodesUnreached where there is none, but may be one at a node that does not answer.
        """
        ended = self._kicks.kick(openid=openid, session_id=session_id, reason=reason)
        if ended:
            return ended
        there = await self._others.all(lambda node: self._client.kick(node, openid, session_id, reason))
        ended = sum(there.answers.values())
        if not ended and there.unreached:
            raise NodesUnreached(there.unreached)
        return ended

    def joined(self, node: str) -> None:
        """A node is new: it is told of the services that offered themselves here."""
        for request in self.registrations():
            self._tell(node, request)

    def registrations(self) -> list[pb.UpstreamRegisterRequest]:
        """By which services offered themselves here, and which still hold."""
        now = self._now()
        self._registered = {key: each for key, each in self._registered.items() if each[1] > now}
        return [request for request, _ in self._registered.values()]

    def _remember(self, request: pb.UpstreamRegisterRequest) -> None:
        key = request.address, request.service_name, request.zone_id
        if request.deregister:
            self._registered.pop(key, None)
        else:
            self._registered[key] = request, self._now() + request.lease if request.lease else math.inf

    def _tell(self, node: str, request: pb.UpstreamRegisterRequest) -> None:
        task = asyncio.create_task(self._told(node, request), name="register-elsewhere")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, node: str, request: pb.UpstreamRegisterRequest) -> None:
        answer = await self._others.ask(node, self._client.register(node, request))
        if answer is not None and not answer.success:
            fields = {"node": node, "address": request.address, "reason": answer.message}
            _log.warning("registration refused elsewhere", extra=fields)
