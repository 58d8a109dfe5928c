"""A gateway that is a node of a cluster: it listens for the others, joins the directory, and leaves it again."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final

import quicgw_fast
from quicgw_fast.cluster.link import DirectoryUnusable
from quicgw_fast.cluster.node import ClusterNode, new_name
from quicgw_fast.cluster.peering import NodeClient, NodeServer
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.cluster.recovery import Retaining
from quicgw_fast.codes import CloseCode
from quicgw_fast.config import join_address, split_address
from quicgw_fast.errors import StartupError
from quicgw_fast.joining.access import read_node_access
from quicgw_fast.joining.desk import Desk
from quicgw_fast.joining.elsewhere import OtherNodes
from quicgw_fast.joining.everywhere import Everywhere
from quicgw_fast.joining.operators import ForOperators
from quicgw_fast.joining.others import Others
from quicgw_fast.joining.shared_store import shared_store
from quicgw_fast.proto import node_pb2 as pb
from quicgw_fast.session import Event, revive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from quicgw_fast.clock import Clock
    from quicgw_fast.cluster.lease import NodeStanding
    from quicgw_fast.cluster.own_claims import OwnClaim
    from quicgw_fast.config import Config
    from quicgw_fast.flow.assembly import Path
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.flow.session_views import SessionViews
    from quicgw_fast.joining.desk import Register
    from quicgw_fast.observe import Metrics
    from quicgw_fast.placement import Placement, ReplicaKeeper
    from quicgw_fast.store import OfflineStore
    from quicgw_fast.workers import Seat

SERVING: Final = "serving"
"""The state of a node that takes sessions."""
LOOK: Final = 0.05
"""Seconds between two looks whether sessions are left."""
LAST_REPLIES: Final = 2.0
"""Seconds for replies that sessions are still owed which other nodes have fetched."""
KEPT: Final = 2
"""Resume windows for which a replica stays: it is refreshed more often than once in one."""
LEAVE_WITHIN: Final = 1.0
"""Seconds for what other nodes ask of one that leaves."""

_log = logging.getLogger("quicgw.cluster")


class Member:
    """What a gateway needs of its cluster, from ``start`` to ``stop``."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        metrics: Metrics,
        seat: Seat,
        path: Callable[[], Path],
        views: Callable[[], SessionViews],
        register: Register,
        drain: Callable[[], float] | None,
    ) -> None:
        """``path`` gives the way of a message and ``views`` what operators see, which are put together after this.

        ``register`` takes a service in here. ``drain`` begins to stop the gateway, and returns how many seconds that
        takes; None where that is another's.

        Raises ConfigError and SettingError for what of ``[cluster]`` cannot be used.
        """
        self._config = config.cluster
        self._clock = clock
        self._seat = seat
        self._path, self._views = path, views
        self._register = register
        self._drain = drain
        self._began = clock.now()
        self._access = read_node_access(config.cluster)
        name = seat.name(new_name(config.cluster))
        self._client = NodeClient(name, self._access, self._address_of)
        self._node = ClusterNode(
            name,
            config.cluster,
            clock,
            metrics,
            self._client,
            about=self._about,
            void=self._void,
            changed=self._changed,
            dead_for=config.session.resume_window,
            retaining=_retaining(config),
        )
        self._store = shared_store(config, name, clock, self._client)
        self._addresses: dict[str, str] = {}
        """Of the nodes that are known."""
        self._server: NodeServer | None = None
        self._everywhere: Everywhere | None = None
        self._operators: ForOperators | None = None
        self._advertised = ""
        self._elsewhere = OtherNodes(
            clock,
            metrics,
            self._client,
            self._node.placement,
            lambda handed: path().moving.abroad.take(handed),
        )

    @property
    def name(self) -> str:
        """By which the others know it."""
        return self._node.name

    @property
    def placement(self) -> Placement:
        """Where openids live."""
        return self._node.placement

    @property
    def replicas(self) -> ReplicaKeeper | None:
        """Who keeps what other nodes go on from when this one dies; None where nobody does."""
        return self._node.replicas if self._config.retain == "replicated" else None

    @property
    def elsewhere(self) -> Elsewhere:
        """The other gateways."""
        return self._elsewhere

    @property
    def store(self) -> OfflineStore | None:
        """The offline store that all nodes share, where that is configured."""
        return None if self._store is None else self._store.messages

    @property
    def everywhere(self) -> Everywhere:
        """What services and operators are served with; there after ``start``."""
        assert self._everywhere is not None
        return self._everywhere

    @property
    def operators(self) -> ForOperators:
        """What operators are answered about all nodes; there after ``start``."""
        assert self._operators is not None
        return self._operators

    @property
    def alone(self) -> bool:
        """Whether no other node is known."""
        return not self._others()

    def may_act(self, openid: str) -> bool:
        """Whether anything may be done for an openid now."""
        return self._node.placement.may_act(openid)

    def reason(self) -> str | None:
        """Why no client can come here now that was not here before; None where one can."""
        return self._node.membership.reason()

    async def look(self) -> dict[str, Any]:
        """Ask all nodes how they are, as ``GET /cluster`` tells it."""
        await self._learn()
        records = sorted(self._node.membership.nodes)  # by their names
        nodes = await asyncio.gather(*(self._looked_at(record.name, record.about) for record in records))
        return {"version": 1, "at": self._clock.wall(), "node": self._node.name, "nodes": list(nodes)}

    async def start(self) -> None:
        """Listen for the other nodes and join; StartupError says what cannot be had, and then nothing is left open."""
        host, port = split_address(self._config.listen)
        node, path = self._node, self._path()
        others = Others(self._others)
        here = path.services, path.kicks, self._register
        self._everywhere = Everywhere(node.name, self._clock, self._client, others, node.placement, *here)
        self._operators = ForOperators(node.name, self._client, others, self._views(), self._drain)
        of_here = self._register, self._describe_to, self._clock, self._operators, self._drain
        desk = Desk(path, node.placement, node.claims, node.membership, *of_here)
        where = host, port + self._seat.index if port else 0
        self._server = await NodeServer.start(node.name, *where, desk, self._access)
        self._advertised = self._advertise(self._server.address)
        try:
            if self._store is not None:
                await self._store.messages.start()
            await self._node.start()
        except DirectoryUnusable as error:
            await self.stop()
            raise StartupError(str(error)) from error
        except BaseException:
            await self.stop()
            raise
        self.tend(0.0)
        await asyncio.gather(*map(self._greet, self._others()))
        _log.info("cluster joined", extra={"node": self._node.name, "address": self._advertised})

    async def fetched(self, deadline: float) -> None:
        """Wait until other nodes have fetched all sessions, or until ``deadline`` (monotonic): then the rest ends here.

        Clients were told to come back, and bring theirs to wherever that is; also those that are away may come. Where
        all nodes stop nobody fetches anything.
        """
        path = self._path()
        self._node.membership.wake()  # the others are to know that this one takes nobody
        while self._serving() and len(path.registry) and self._clock.now() < deadline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK)
        if len(path.registry):
            _log.info("sessions not fetched", extra={"sessions": len(path.registry)})

    async def stop(self) -> None:
        """Leave; idempotent."""
        await self._elsewhere.stop(LAST_REPLIES)
        if self._everywhere is not None:
            await self._everywhere.stop()
        if self._store is not None:
            await self._store.stop(LEAVE_WITHIN)
        await self._node.stop()
        await self._client.close()
        if self._server is not None:
            await self._server.stop(LEAVE_WITHIN)

    def tend(self, now: float) -> None:
        """Learn which nodes there are, and answer what those that are gone cannot answer any more."""
        del now
        there = {record.name: record.about for record in self._node.membership.nodes}
        gone = self._addresses.keys() - there.keys()
        for node in gone:
            del self._addresses[node]
            self._path().moving.abroad.gateway_lost(node)
        for node in there.keys() - self._addresses.keys():
            self._addresses[node] = json.loads(there[node])["address"]
            if node != self._node.name:
                self.everywhere.joined(node)
        if gone:
            self._client.keep(there.keys())

    # What the node asks

    def _advertise(self, bound: str) -> str:
        if self._config.advertise is None:
            return bound
        host, port = split_address(self._config.advertise)
        return join_address(host, port + self._seat.index)

    def _about(self) -> dict[str, object]:
        state = "draining" if self._path().draining.leaving else SERVING
        return {"address": self._advertised, "version": quicgw_fast.__version__, "state": state}

    async def _looked_at(self, node: str, about: str) -> dict[str, Any]:
        view: dict[str, Any] = {
            "name": node, "address": json.loads(about)["address"], "reached": True, "ended": False, "reason": "",
            "version": None,
            "state": None, "uptime": None, "sessions": None, "sessions_detached": None, "lease_remaining": None,
            "directory": None, "directory_latency": None,
        }  # fmt: skip
        try:
            told = self._describe() if node == self._node.name else await self._client.describe(node)
        except PeerUnreachable as error:
            return {**view, "reached": False, "ended": error.ended, "reason": str(error)}
        return {
            **view, "version": told.version, "state": told.state, "uptime": told.uptime, "sessions": told.sessions,
            "sessions_detached": told.sessions_detached, "lease_remaining": told.lease_remaining,
            "directory": told.directory, "directory_latency": told.directory_latency,
        }  # fmt: skip

    def _serving(self) -> bool:
        """Whether there is another node that takes sessions, as far as is known."""
        others = (record for record in self._node.membership.nodes if record.name != self._node.name)
        return any(json.loads(record.about)["state"] == SERVING for record in others)

    def _others(self) -> Collection[str]:
        return self._addresses.keys() - {self._node.name}

    def _void(self, claim: OwnClaim) -> None:
        """Somebody else has the openid by now: what is here of it is closed, and acts no more."""
        path = self._path()
        for session in path.registry.devices.of(claim.openid):
            if not claim.session_id or session.id == claim.session_id:
                path.closing.end(session, Event.REPLACED, CloseCode.SUPERSEDED, "another node has the session")

    def _changed(self, standing: NodeStanding) -> None:
        _log.debug("standing", extra={"standing": standing.value})

    async def _address_of(self, node: str) -> str | None:
        if node not in self._addresses:
            await self._learn()
        return self._addresses.get(node)

    async def _learn(self) -> None:
        """Know which nodes there are now."""
        await self._node.membership.look_again()
        self.tend(0.0)

    async def _greet(self, node: str) -> None:
        """Have a node know this one now, and not at its next renewal: what is for all must not miss who comes here."""
        try:
            await self._client.describe(node)
        except PeerUnreachable as error:
            _log.debug("node not greeted", extra={"node": node, "reason": str(error)})

    async def _describe_to(self, node: str) -> pb.DescribeResponse:
        await self._address_of(node)
        return self._describe()

    def _describe(self) -> pb.DescribeResponse:
        registry, now = self._path().registry, self._clock.now()
        return pb.DescribeResponse(
            version=quicgw_fast.__version__,
            state=str(self._about()["state"]),
            uptime=now - self._began,
            sessions=len(registry),
            sessions_detached=sum(not session.attached for session in registry),
            lease_remaining=max(0.0, self._node.lease.held_until - now),
            directory="up" if self._node.link.up else self._node.link.why,
            directory_latency=self._node.membership.renewal_took,
        )


def _retaining(config: Config) -> Retaining | None:
    if config.cluster.retain == "memory":
        return None
    return Retaining(revive, KEPT * config.session.resume_window + config.cluster.lease)
