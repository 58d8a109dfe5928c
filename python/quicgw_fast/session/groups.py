"""Groups of sessions, by name (protocol §4): who is in which, and until when.

A session knows its memberships itself, each with its end (``Session.groups``): plain data, which goes where the session
goes. Here is the way from a name to its members. A membership counts until its end and not a moment longer, as whoever
asks compares that; what is over is taken out when its session is looked at (``tidy``), and only numbers that say how
many there are may count it until then. A group is there while it has members.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicgw_fast.observe import Metrics
    from quicgw_fast.session.session import Session

MOST_OF_A_SESSION: Final = 256
"""Groups that one session may be in."""
LONGEST_NAME: Final = 128
"""Bytes of a name."""

T = TypeVar("T")


class PageOf(NamedTuple, Generic[T]):
    """Some of many, in the order in which they came."""

    there: list[T]
    cursor: int | None
    """Behind which the next page begins; None behind the last one."""


@dataclass(slots=True, eq=False)
class Group:
    """One with at least one member."""

    name: str
    serial: int
    """How many groups there were before it: lists are in this order."""
    members: dict[Session, int] = field(default_factory=dict)
    """With the number of their joining, which grows."""


class GroupIndex:
    """All groups, and who is in them."""

    def __init__(self, metrics: Metrics) -> None:
        self._groups: dict[str, Group] = {}
        self._serials = itertools.count(1)
        self._joinings = itertools.count(1)
        self.memberships = 0
        """Of all sessions together: what bounds the memory."""
        metrics.gauge("groups", "Groups that have members", lambda: len(self._groups))
        metrics.gauge("group_memberships", "Memberships of sessions in groups", lambda: self.memberships)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        """Iterate over a snapshot, in the order in which they got their first member."""
        return iter(list(self._groups.values()))

    def join(self, session: Session, name: str, ends_at: float | None) -> None:
        """Have a live session be in a group until then (monotonic seconds), or as long as it lives: also once more."""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(name, next(self._serials))
        if session.groups is None:
            session.groups = {}
        if session not in group.members:
            group.members[session] = next(self._joinings)
            self.memberships += 1
        session.groups[group.name] = ends_at

    def leave(self, session: Session, name: str) -> None:
        """Take a member out."""
        group = self._groups[name]
        if session.groups is not None:
            del session.groups[name]
        del group.members[session]
        self.memberships -= 1
        if not group.members:
            del self._groups[name]

    def tidy(self, session: Session, now: float) -> None:
        """Take the session out of the groups in which its time is over."""
        for name in [name for name, ends_at in (session.groups or {}).items() if _is_over(ends_at, now)]:
            self.leave(session, name)

    def ended(self, session: Session) -> None:
        """The session is in no group any more."""
        for name in list(session.groups or ()):
            self.leave(session, name)

    def members(self, name: str, now: float) -> list[Session]:
        """Who is in the group now, in the order in which they joined."""
        group = self._groups.get(name)
        return [] if group is None else [session for session in group.members if is_member(session, name, now)]

    def members_page(self, name: str, after: int, most: int, now: float) -> PageOf[Session]:
        """So many members at most, behind the one whose joining has the number ``after``."""
        group = self._groups.get(name)
        if group is None:
            return PageOf([], None)
        page = _page(list(group.members), group.members.__getitem__, after, most)
        return PageOf([session for session in page.there if is_member(session, name, now)], page.cursor)

    def page(self, after: int, most: int) -> PageOf[Group]:
        """So many groups at most, behind the one that has the number ``after``."""
        return _page(list(self._groups.values()), lambda group: group.serial, after, most)


def is_member(session: Session, name: str, now: float) -> bool:
    """Whether the session is in the group now."""
    groups = session.groups
    return groups is not None and name in groups and not _is_over(groups[name], now)


def _is_over(ends_at: float | None, now: float) -> bool:
    return ends_at is not None and ends_at <= now


def _page(numbered: list[T], number: Callable[[T], int], after: int, most: int) -> PageOf[T]:
    """Of what was numbered in its order, so many behind a number."""
    begin = bisect_right(numbered, after, key=number)
    end = begin + most
    return PageOf(numbered[begin:end], number(numbered[end - 1]) if end < len(numbered) else None)
