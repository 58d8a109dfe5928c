"""What operators ask any node about all of them: who is there, in which groups; and to have one of them stop.

A page is put together of what each node has of it, in an order that does not depend on nodes (``flow.session_views``).
So the next page may be asked of another node, after any of them has gone, and a session that moves meanwhile is on it
once: nobody is left out but who is on the way at that moment, or at a node that does not answer, and that is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from quicgw_fast.errors import NodesUnreached, NoSuchNode, SeveralNodes
from quicgw_fast.proto import node_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.cluster.peering import NodeClient
    from quicgw_fast.flow.session_views import SessionViews
    from quicgw_fast.joining.others import Others

ALL: Final = "*"
"""What stands for every node, which none can be called."""


class DrainedNodes(NamedTuple):
    """What came of it that nodes were to stop."""

    nodes: list[str]
    """Those that do. One that runs inside of another program does not."""
    at_most: float
    """Seconds that it takes, for the one that takes longest."""
    unreached: list[str]


class ForOperators:
    """Answers for all nodes, this one included."""

    def __init__(
        self, name: str, client: NodeClient, others: Others, views: SessionViews, drain: Callable[[], float] | None
    ) -> None:
        """``views`` has what is here. ``drain`` begins to stop this gateway, and returns how many seconds that takes.

        It is None where that is another's to do.
        """
        self._name = name
        self._client = client
        self._others = others
        self._views = views
        self._drain_here = drain

    async def find(self, wanted: dict[str, str], behind: str, limit: int) -> dict[str, Any]:
        """Return so many of the sessions that are ``wanted``, behind an id, and how many there are in all."""
        look = pb.LookRequest(sessions=pb.SessionsLook(wanted=wanted, behind=behind, limit=limit))
        asked = await self._others.all(lambda node: self._client.look(node, look))
        here = await self._views.share(wanted, behind, limit)
        pages = [here, *asked.answers.values()]
        found = {session["id"]: session for page in pages for session in page["sessions"]}
        again = sum(len(page["sessions"]) for page in pages) - len(found)  # it moved while they were asked
        total = sum(page["total"] for page in pages) - again
        return {**here, **_page(found, "sessions", pages, limit), "total": total, "unreached_nodes": asked.unreached}

    async def one(self, session_id: str) -> dict[str, Any] | None:
        """Return a session with its flight recorder, wherever it is, or where it ended; None where there is none.

        Raises NodesUnreached where a node that does not answer may have it.
        """
        here = self._views.one(session_id)
        if here is not None and here["state"] != "CLOSED":
            return here
        look = pb.LookRequest(session_id=session_id)
        asked = await self._others.all(lambda node: self._client.look(node, look))
        found = [one for one in (*asked.answers.values(), here) if one]
        living = [one for one in found if one["state"] != "CLOSED"]
        if not living and asked.unreached:
            raise NodesUnreached(asked.unreached)
        return next(iter(living or found), None)

    async def groups(self, behind: str, limit: int) -> dict[str, Any]:
        """Return so many groups behind a name, with their members at all nodes."""
        look = pb.LookRequest(groups=pb.GroupsLook(behind=behind, limit=limit))
        asked = await self._others.all(lambda node: self._client.look(node, look))
        here = await self._views.share_of_groups(behind, limit)
        pages = [here, *asked.answers.values()]
        found: dict[str, dict[str, Any]] = {}
        for group in (group for page in pages for group in page["groups"]):
            known = found.setdefault(group["name"], {"name": group["name"], "members": 0})
            known["members"] += group["members"]
        sums = {key: sum(page[key] for page in pages) for key in ("total", "memberships")}
        return {**here, **_page(found, "groups", pages, limit), **sums, "unreached_nodes": asked.unreached}

    async def drain(self, named: str) -> DrainedNodes:
        """Have a node stop that is called so, in full or by its ``cluster.node_id``; ``ALL``: all of them.

        Raises NoSuchNode and SeveralNodes.
        """
        others = self._others.names()
        meant = [self._name, *others] if named == ALL else [_meant(named, [self._name, *others])]
        asked = await self._others.all(self._client.drain, [node for node in others if node in meant])
        drains = {node: answer.at_most for node, answer in asked.answers.items() if answer.drains}
        if self._name in meant and self._drain_here is not None:  # the last: it has others to ask
            drains[self._name] = self._drain_here()
        return DrainedNodes(sorted(drains), max(drains.values(), default=0.0), asked.unreached)

    async def look(self, request: pb.LookRequest) -> dict[str, Any] | None:
        """Answer another node that was asked about all."""
        match request.WhichOneof("at"):
            case "sessions":
                asked = request.sessions
                return await self._views.share(dict(asked.wanted), asked.behind, asked.limit)
            case "groups":
                return await self._views.share_of_groups(request.groups.behind, request.groups.limit)
            case _:
                return self._views.one(request.session_id)


def _page(found: dict[str, Any], key: str, pages: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """What of all that was ``found`` is on the page, and behind which name the next one begins."""
    shown = sorted(found)[:limit]
    more = len(found) > limit or any(page["next"] is not None for page in pages)
    return {key: [found[name] for name in shown], "next": shown[-1] if more and shown else None}


def _meant(named: str, nodes: list[str]) -> str:
    if named in nodes:
        return named
    meant = [node for node in nodes if node.partition(".")[0] == named]
    if not meant:
        raise NoSuchNode(named)
    if len(meant) > 1:
        raise SeveralNodes(named, meant)
    return meant[0]
