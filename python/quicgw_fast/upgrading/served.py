"""What services and operators ask for, answered by this process, and by the one before or behind it while there is one.

A push to one client goes its way by itself (``flow.pushes``). What is for many goes to the successor, which asks its
predecessor as well. It reaches a session that moves meanwhile once (``flow.spreads``); so that this goes for one that
moves when there has just come to be a successor, it has an id also before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from quicgw_fast.joining.everywhere import Everywhere
from quicgw_fast.joining.others import Others

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.flow.from_services import FromServices
    from quicgw_fast.flow.kicking import Kicks
    from quicgw_fast.flow.taken import Taken
    from quicgw_fast.joining.desk import Register
    from quicgw_fast.placement import Placement
    from quicgw_fast.proto import service_pb2 as pb
    from quicgw_fast.upgrading.neighbours import Neighbours


class _Answer(Protocol):
    everywhere: bool


Q = TypeVar("Q")
A = TypeVar("A", bound=_Answer)


class _ForMany:
    """Who is asked for what is for many."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    async def ask(
        self,
        request: Q,
        behind: Callable[[str, Q], Awaitable[A]],
        both: Callable[[Q], Awaitable[A]],
        here: Callable[[Q], Awaitable[A]] | None = None,
    ) -> A:
        """Ask one of them, as the neighbours are; raises PeerUnreachable where the successor does not answer.

        ``here`` is for a process that is alone; without it ``both`` is, for which that makes no difference.
        """
        if self._neighbours.behind:
            return await behind(self._neighbours.behind, request)
        if here is not None and not self._neighbours.before:
            return await here(request)
        answer = await both(request)
        answer.everywhere = False  # there may be other gateways, of which nobody here knows
        return answer


class ServedGroups:
    """Groups and presence; see ``control.GroupKeeper`` and ``control.PresenceTeller``."""

    def __init__(self, many: _ForMany, client: NodeClient, both: Everywhere, here: FromServices) -> None:
        self._many = many
        self._client = client
        self._both = both.groups
        self._here = here

    async def join(self, request: pb.JoinGroupRequest) -> pb.GroupResponse:
        """Have sessions be in a group."""
        return await self._many.ask(request, self._client.join, self._both.join, self._here.groups.join)

    async def leave(self, request: pb.LeaveGroupRequest) -> pb.GroupResponse:
        """Take sessions out of one."""
        return await self._many.ask(request, self._client.leave, self._both.leave, self._here.groups.leave)

    async def push(self, request: pb.GroupPushRequest) -> pb.GroupPushResponse:
        """Push to all who are in one."""
        return await self._many.ask(request, self._client.spread, self._both.push)

    async def members(self, request: pb.GroupMembersRequest) -> pb.GroupMembersResponse:
        """Return a page of those."""
        return await self._many.ask(request, self._client.members, self._both.members, self._here.groups.members)

    async def sessions_of(self, request: pb.SessionsOfRequest) -> pb.SessionsOfResponse:
        """Tell of the sessions of an openid."""
        here = self._here.presence.sessions_of
        return await self._many.ask(request, self._client.present, self._both.sessions_of, here)


class Served:
    """All of it; see ``control.Pusher`` and ``control.Registrar``."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        neighbours: Neighbours,
        client: NodeClient,
        placement: Placement,
        services: FromServices,
        kicks: Kicks,
        register: Register,
    ) -> None:
        """``name`` is this process's; ``services``, ``kicks`` and ``register`` are for what is here."""
        self._neighbours = neighbours
        self._client = client
        self._pushes = services.pushes
        others = Others(lambda: neighbours.there)
        self._both = Everywhere(name, clock, client, others, placement, services, kicks, register)
        self._many = _ForMany(neighbours)
        self.groups = ServedGroups(self._many, client, self._both, services)

    async def stop(self) -> None:
        """Tell nobody any more."""
        await self._both.stop()

    async def push(self, request: pb.UnicastPushRequest, *, follow: bool = False) -> Taken:
        """To one client, wherever it is."""
        return await self._pushes.push(request, follow=follow)

    async def batch(self, requests: Sequence[pb.UnicastPushRequest]) -> list[Taken]:
        """To many, one after the other."""
        return await self._pushes.batch(requests)

    async def broadcast(self, request: pb.BroadcastRequest) -> pb.BroadcastResponse:
        """To all who are logged in."""
        return await self._many.ask(request, self._client.broadcast, self._both.broadcast)

    async def register(self, request: pb.UpstreamRegisterRequest) -> pb.UpstreamRegisterResponse:
        """Take a service in, or let it go; a neighbour hears of it, as it has calls to make as well."""
        return await self._both.register(request)

    async def pass_on(self, node: str) -> None:
        """Tell the successor which services there are; raises PeerUnreachable."""
        for request in self._both.registrations():
            await self._client.register(node, request)

    async def kick(self, *, openid: str = "", session_id: str = "", reason: str = "") -> int:
        """End the sessions of an openid, or one session; how many there were."""
        return await self._both.kick(openid=openid, session_id=session_id, reason=reason)
