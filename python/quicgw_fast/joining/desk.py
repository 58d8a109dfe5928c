"""What other gateways ask of this one, and how it is done: the ``NodeDesk`` of a node, and what others share of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from quicgw_fast.codes import PushType
from quicgw_fast.flow.departures import OutdatedClaim
from quicgw_fast.flow.elsewhere import HandedReply
from quicgw_fast.ports import TerminalReply
from quicgw_fast.proto import node_pb2 as pb
from quicgw_fast.session import StartClaim

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.membership import Membership
    from quicgw_fast.cluster.own_claims import OwnClaims
    from quicgw_fast.cluster.placement import DirectoryPlacement
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.joining.operators import ForOperators
    from quicgw_fast.proto import service_pb2

    Register: TypeAlias = Callable[
        [service_pb2.UpstreamRegisterRequest], Awaitable[service_pb2.UpstreamRegisterResponse]
    ]


class LocalDesk:
    """Serves other gateways with what is here, as far as that is the same for all of them."""

    def __init__(self, path: Path, register: Register, *, ask: bool = False) -> None:
        """``register`` takes a service in here.

        ``ask`` says that this gateway looks elsewhere for whom it does not have; else it answers MOVED.
        """
        self._path = path
        self._services = path.services
        self._register = register
        self._ask = ask

    async def carry(self, request: pb.CarryRequest) -> pb.CarryResponse:
        """Take replies first: pushes may be bound behind them, and neither waits for the other."""
        taken = [self._path.moving.abroad.take(_handed(reply)) for reply in request.replies]
        pushes = await self._services.pushes.batch(request.pushes, ask=self._ask)
        return pb.CarryResponse(answers=[push.answer for push in pushes], taken=taken)

    async def push(self, request: service_pb2.UnicastPushRequest) -> service_pb2.UnicastPushResponse:
        """Take one, and wait as its sender does."""
        taken = await self._services.pushes.push(request, ask=self._ask)
        return await taken.settled()

    async def broadcast(self, request: service_pb2.BroadcastRequest) -> service_pb2.BroadcastResponse:
        """To all that are here."""
        return await self._services.pushes.broadcast(request)

    async def join(self, request: service_pb2.JoinGroupRequest) -> service_pb2.GroupResponse:
        """Have sessions that are here be in a group."""
        return await self._services.groups.join(request)

    async def leave(self, request: service_pb2.LeaveGroupRequest) -> service_pb2.GroupResponse:
        """Take sessions that are here out of one."""
        return await self._services.groups.leave(request)

    async def spread(self, request: service_pb2.GroupPushRequest) -> service_pb2.GroupPushResponse:
        """Push to all who are here and in a group."""
        return await self._services.groups.push(request)

    async def members(self, request: service_pb2.GroupMembersRequest) -> service_pb2.GroupMembersResponse:
        """Return a page of those."""
        return await self._services.groups.members(request)

    async def present(self, request: service_pb2.SessionsOfRequest) -> service_pb2.SessionsOfResponse:
        """Tell of the sessions of an openid that are here."""
        return await self._services.presence.sessions_of(request)

    async def kick(self, request: pb.KickRequest) -> pb.KickResponse:
        """End what is here of an openid, or one session."""
        ended = self._path.kicks.kick(openid=request.openid, session_id=request.session_id, reason=request.reason)
        return pb.KickResponse(ended=ended)

    async def stored(self, request: pb.StoredRequest) -> pb.StoredResponse:
        """Bring whoever is here what another node has stored for it meanwhile."""
        for openid in request.openids:
            self._path.offline.came(openid)
        return pb.StoredResponse()

    async def register(self, request: service_pb2.UpstreamRegisterRequest) -> service_pb2.UpstreamRegisterResponse:
        """Take a service in that offered itself elsewhere, or let it go."""
        return await self._register(request)


class Desk(LocalDesk):
    """Serves the other nodes of a cluster."""

    def __init__(
        self,
        path: Path,
        placement: DirectoryPlacement,
        claims: OwnClaims,
        membership: Membership,
        register: Register,
        describe: Callable[[str], Awaitable[pb.DescribeResponse]],
        clock: Clock,
        operators: ForOperators,
        drain: Callable[[], float] | None,
    ) -> None:
        """``drain`` as in ``ForOperators``."""
        super().__init__(path, register)
        self._placement = placement
        self._claims = claims
        self._membership = membership
        self._describe = describe
        self._now = clock.now
        self._operators = operators
        self._drain = drain

    async def fetch(self, request: pb.FetchRequest) -> pb.FetchResponse:
        """Give up what is here by the claim that was found, and nothing that is here by a newer one."""
        attempts = self._path.registry.attempts(request.openid, self._now())
        if attempts.outdated(StartClaim(request.openid, epoch=request.epoch, attempt=request.attempt)):
            return pb.FetchResponse(late=True)
        held = self._claims.has_by(request.openid, request.held)
        parked = self._placement.yielded(request.openid, request.held)
        openid = "" if request.session_ids else request.openid
        try:
            left = self._path.moving.departures.depart(
                request.generation, openid=openid, session_ids=request.session_ids, held=request.held, again=not held
            )
        except OutdatedClaim:
            return pb.FetchResponse(outdated=True)
        return pb.FetchResponse(sessions=[*parked, *left])

    async def confirm(self, request: pb.ConfirmRequest) -> pb.ConfirmResponse:
        """Forget it."""
        self._placement.confirmed(request.openid, request.held)
        self._path.moving.departures.confirm_claim(request.openid, request.held)
        return pb.ConfirmResponse()

    async def vouch(self, request: pb.VouchRequest) -> pb.VouchResponse:
        """Vouch for a node that cannot reach the directory."""
        return pb.VouchResponse(outcome=(await self._membership.vouch(request.node, request.era)).value)

    async def describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        """Tell how this node is, to one that is known from now on."""
        return await self._describe(request.node)

    async def look(self, request: pb.LookRequest) -> pb.LookResponse:
        """Tell operators of what is here."""
        found = await self._operators.look(request)
        return pb.LookResponse(page=b"" if found is None else json.dumps(found).encode())

    async def drain(self, request: pb.DrainRequest) -> pb.DrainResponse:
        """Begin to stop, unless that is another's to do."""
        del request
        return pb.DrainResponse() if self._drain is None else pb.DrainResponse(drains=True, at_most=self._drain())


def _handed(reply: pb.HandedReply) -> HandedReply:
    told = TerminalReply(PushType(reply.push_type), reply.code, reply.message, reply.data, dict(reply.headers))
    return HandedReply(reply.session_id, reply.openid, reply.client_seq, told)
