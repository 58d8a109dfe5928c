"""Several nodes with one real directory. In place of gateways, those who hold sessions: texts.

What goes from node to node over the network is another room's; here nodes hand each other what they have directly,
and the test says who cannot be reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quicgw_fast.clock import SystemClock
from quicgw_fast.cluster.node import ClusterNode, new_name
from quicgw_fast.cluster.peers import PeerUnreachable
from quicgw_fast.config import ClusterConfig
from quicgw_fast.observe import Metrics
from quicgw_fast.placement import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.cluster.lease import NodeStanding, Vouched
    from quicgw_fast.cluster.own_claims import OwnClaim
    from quicgw_fast.cluster.recovery import Retaining
    from quicgw_fast.placement import Answer, Attempt

LEASE = 1.0
DEAD_FOR = 1.0
"""Seconds; of a node, until it is forgotten what that had claimed: the two leases that are the least."""


@dataclass
class Inhabitant:
    """A node, and the sessions that it has: by openid, each a session id and what is in it."""

    node: ClusterNode
    metrics: Metrics
    sessions: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    departed: dict[str, tuple[int, list[bytes]]] = field(default_factory=dict)
    """What was given away, by openid, and by which claim it was here."""
    voided: list[str] = field(default_factory=list)
    standings: list[NodeStanding] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)

    async def come(self, openid: str, session_id: str = "", *, named: str = "") -> Place:
        """A START: it goes on with what came, or begins the session ``session_id``; the place it was given."""
        place = await told(self.node.placement.claim(openid, named))
        if place.here:
            self.departed.pop(openid, None)
            if place.arrivals:
                session_id = place.arrivals[0].decode()
            elif openid in self.sessions and not session_id:
                session_id = self.sessions[openid][0]
            self.sessions[openid] = session_id, session_id.encode()
            self.node.placement.settled(openid, session_id, "e", "")
        return place

    def leave(self, openid: str) -> None:
        session_id, _ = self.sessions.pop(openid)
        self.node.placement.released(openid, session_id)

    def gives(self, openid: str, held: int, generation: int, session_ids: Sequence[str]) -> list[bytes]:
        has = self.node.claims.has_by(openid, held)
        parked = self.node.placement.yielded(openid, held)
        if has and openid in self.sessions:
            self.departed[openid] = held, [self.sessions.pop(openid)[1]]
        by, departed = self.departed.get(openid, (0, []))
        return parked or (departed if by == held else [])

    def void(self, claim: OwnClaim) -> None:
        self.voided.append(claim.openid)
        self.sessions.pop(claim.openid, None)

    def count(self, outcome: str) -> float:
        return self.metrics.count("claims", outcome)


class Town:
    """All nodes; ``unreachable`` are pairs (who asks, who does not answer)."""

    def __init__(self, url: str, **config: Any) -> None:
        self._config = {"url": url, "lease": LEASE, **config}
        self.nodes: dict[str, Inhabitant] = {}
        self.unreachable: set[tuple[str, str]] = set()

    async def join(
        self,
        name: str,
        *,
        founding: bool = True,
        devices: int = 1,
        retaining: Retaining | None = None,
        **config: Any,
    ) -> Inhabitant:
        metrics, clock = Metrics(), SystemClock()
        inhabitant: Inhabitant
        settings = ClusterConfig(**{**self._config, "node_id": name, **config})
        node = ClusterNode(
            new_name(settings),
            settings,
            clock,
            metrics,
            _Peers(self, name),
            about=lambda: {"grpc": "127.0.0.1:1"},
            void=lambda claim: inhabitant.void(claim),
            changed=lambda standing: inhabitant.standings.append(standing),
            dead_for=DEAD_FOR,
            retaining=retaining,
            devices=devices,
            founding=founding,
        )
        inhabitant = self.nodes[name] = Inhabitant(node, metrics)
        await node.start()
        return inhabitant

    async def die(self, name: str) -> None:
        """Renew and answer nothing any more, without a word to anybody."""
        node = self.nodes[name].node
        self.unreachable |= {(other, name) for other in self.nodes}
        await node.membership.stop()
        await node.link.close()

    async def close(self) -> None:
        for inhabitant in self.nodes.values():
            await inhabitant.node.stop()


@dataclass
class _Peers:
    town: Town
    me: str

    def _reach(self, node: str) -> Inhabitant:
        name = node.partition(".")[0]
        there = self.town.nodes[name]
        if (self.me, name) in self.town.unreachable or there.node.name != node:
            raise PeerUnreachable("cut off")
        return there

    async def fetch(
        self, node: str, openid: str, held: int, generation: int, session_ids: Sequence[str], attempt: Attempt
    ) -> list[bytes]:
        return self._reach(node).gives(openid, held, generation, session_ids)

    async def confirm(self, node: str, openid: str, held: int) -> None:
        there = self._reach(node)
        if there.departed.get(openid, (0, []))[0] == held:
            del there.departed[openid]
        there.node.placement.confirmed(openid, held)
        there.confirmed.append(openid)

    async def vouch(self, node: str, era: str) -> Vouched:
        return await self._reach(node).node.membership.vouch(self.town.nodes[self.me].node.name, era)


async def told(answer: Answer) -> Place:
    return answer if isinstance(answer, Place) else await answer
