"""What an operator sees of sessions: lists, one page after the other, and one with its flight recorder.

There may be very many, and whoever looks must not hold up those who are served: they are walked in slices of a time,
between which others have their turn. The order is that in which sessions began, and a cursor is the place of the last
one that was shown: whoever comes and goes between two pages, nobody is shown twice or left out who was there all along.

Of several gateways each shows its share of a page. There the order is that of ids, which a session keeps wherever it
goes, and of groups that of names: so a cursor names no gateway, and means the same at each of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from quicgw_fast.flow.lowest import Lowest
from quicgw_fast.session import SessionState, is_member, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from quicgw_fast.clock import Clock
    from quicgw_fast.session import Group, Registry, Session

T = TypeVar("T")

SLICE: Final = 0.002
"""Seconds that are spent on sessions before the loop has its turn."""
LOOKS: Final = 32
"""Sessions between two looks at the clock."""
DETACHED: Final = "DETACHED"
ATTACHED: Final = "ATTACHED"
STATES: Final = (SessionState.INITED.name, SessionState.NORMAL.name, ATTACHED, DETACHED)
"""What may be asked for: how far the client has come, or whether it is there."""


class SessionViews:
    """Shows the sessions of the registry, and those that ended not long ago."""

    def __init__(self, clock: Clock, registry: Registry, transport: str, node: str = "") -> None:
        """``transport`` is who does QUIC for all of them, ``node`` what this gateway is called among others."""
        self._clock = clock
        self._registry = registry
        self._transport = transport
        self._node = node

    async def find(self, wanted: dict[str, str], after: int, limit: int) -> dict[str, Any]:
        """Return so many of those that are ``wanted``, behind the place ``after``, and how many there are in all.

        ``wanted`` has any of ``q`` (a part of id, openid, gid or address), ``openid``, ``gid``, ``address`` (with or
        without its port) and ``state`` (of ``STATES``).
        """
        found: list[dict[str, Any]] = []
        total, last, more = 0, after, False
        async for session in self._walk():
            if not _matches(session, wanted):
                continue
            total += 1
            if session.serial <= after:
                continue
            if len(found) < limit:
                found.append(self._view(session))
                last = session.serial
            else:
                more = True
        return self._list(found, str(last) if more else None, total)

    async def share(self, wanted: dict[str, str], behind: str, limit: int) -> dict[str, Any]:
        """Return so many of those that are ``wanted`` with the lowest ids behind that one, likewise."""
        lowest: Lowest[Session] = Lowest(behind, limit)
        total = 0
        async for session in self._walk():
            if _matches(session, wanted):
                total += 1
                lowest.offer(session.id, session)
        page, following = lowest.page()
        return self._list([self._view(session) for session in page], following, total)

    def one(self, session_id: str) -> dict[str, Any] | None:
        """Return a session with its flight recorder, also one that ended not long ago; None where there is none."""
        session = self._registry.by_id(session_id)
        session = session or self._registry.ended_session(session_id, self._clock.now())
        if session is None:
            return None
        behind = self._behind()
        events = [shown(entry, behind) for entry in session.trail or ()]
        groups = self._groups(session, behind)
        return {"version": 1, "at": self._now(), **self._view(session), "groups": groups, "events": events}

    def groups(self, after: int, limit: int) -> dict[str, Any]:
        """Return so many groups, behind the place ``after``, and how many there are in all."""
        page = self._registry.groups.page(after, limit)
        return self._group_list(page.there, None if page.cursor is None else str(page.cursor))

    async def share_of_groups(self, behind: str, limit: int) -> dict[str, Any]:
        """Return so many groups with the lowest names behind that one, likewise."""
        lowest: Lowest[Group] = Lowest(behind, limit)
        async for group in self._in_slices(self._registry.groups):
            if group.members:  # still
                lowest.offer(group.name, group)
        return self._group_list(*lowest.page())

    def _list(self, found: list[dict[str, Any]], following: str | None, total: int) -> dict[str, Any]:
        page = {"version": 1, "at": self._now(), "sessions": found, "next": following, "total": total}
        return {**page, "unreached_nodes": []}

    def _group_list(self, groups: list[Group], following: str | None) -> dict[str, Any]:
        index = self._registry.groups
        return {
            "version": 1,
            "at": self._now(),
            "groups": [{"name": group.name, "members": len(group.members)} for group in groups],
            "next": following,
            "total": len(index),
            "memberships": index.memberships,
            "unreached_nodes": [],
        }

    def _groups(self, session: Session, behind: float) -> list[dict[str, Any]]:
        now = self._clock.now()
        return [
            {"name": name, "ends_at": None if ends_at is None else round(ends_at + behind, 3)}
            for name, ends_at in (session.groups or {}).items()
            if is_member(session, name, now)
        ]

    async def _walk(self) -> AsyncIterator[Session]:
        """All sessions in their order."""
        async for session in self._in_slices(self._registry):
            if session.state is not SessionState.CLOSED:  # since the walk began
                yield session

    async def _in_slices(self, items: Iterable[T]) -> AsyncIterator[T]:
        """One after the other; others have their turn between them."""
        until = self._clock.now() + SLICE
        for number, item in enumerate(items, 1):
            yield item
            if number % LOOKS == 0 and self._clock.now() >= until:
                await asyncio.sleep(0)
                until = self._clock.now() + SLICE

    def _behind(self) -> float:
        return self._clock.wall() - self._clock.now()

    def _now(self) -> float:
        return round(self._clock.wall(), 3)

    def _view(self, session: Session) -> dict[str, Any]:
        behind, outbox = self._behind(), session.outbox
        return {
            "id": session.id,
            "node": self._node,
            "openid": session.openid,
            "gid": session.gid,
            "zone": session.zone,
            "state": session.state.name,
            "attached": session.attached,
            "address": session.peer,
            "transport": self._transport,
            "since": round(session.since + behind, 3),
            "last_activity": round(session.last_activity + behind, 3),
            "window_messages": outbox.retained,
            "window_bytes": outbox.retained_bytes,
            "in_flight": outbox.in_flight,
        }


def _matches(session: Session, wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        match name:
            case "q":
                there = any(value in text for text in (session.id, session.openid, session.gid, session.peer))
            case "openid":
                there = session.openid == value
            case "gid":
                there = session.gid == value
            case "address":
                there = value in (session.peer, session.peer.rpartition(":")[0].strip("[]"))
            case _:
                there = value in (session.state.name, ATTACHED if session.attached else DETACHED)
        if not there:
            return False
    return True
