"""What is for many sessions of a cluster reaches each of them once, also one that goes from node to node meanwhile.

A broadcast, or a push to a group, is sent by every node to its own sessions, at one node sooner than at another one. A
session that moves between the two moments would get it twice, or not at all. Therefore each node remembers for a while
what it sent to all of its own, by ids that are the same everywhere, and a session takes these ids along. The node to
which it comes sends it what it missed on the way (``late``), and leaves it out where it is to come there only now
(``had``).
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from quicgw_fast.session import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from quicgw_fast.clock import Clock
    from quicgw_fast.session import EntryKind, Session

KEPT: Final = 30.0
"""Seconds for which a node may be behind the others: those wait no longer for it (``peering.client``)."""
CAUGHT_UP: Final = 5.0
"""Seconds before it left from which on a session may have missed something: who asks is told of slower nodes."""
MOST: Final = 1000
"""That are remembered; those of some seconds, where there are that many."""
MOST_BYTES: Final = 4 << 20
"""Of all that are remembered. A session that missed one that is not there any more has to be reset."""


class ForMany(NamedTuple):
    """What is sent, and to whom."""

    body: bytes
    kind: EntryKind
    group: str
    """Its name; empty for a broadcast."""
    receivers: Callable[[], list[Session]]
    """Asked when it is the notify's turn."""
    still: Callable[[list[Session]], list[Session]]
    """Those of some of them that are to get it now that it is their turn."""
    spread_id: bytes = b""
    """By which all nodes of a cluster know it; empty where this gateway alone sends it."""


class _Spread(NamedTuple):
    number: int
    """Of all that there were here."""
    spread_id: bytes
    at: float
    """Wall clock: compared to that of the node that a session left."""
    group: str
    """Empty for a broadcast."""
    notify: ForMany | None
    """None once it was too much to keep."""


class Spreads:
    """All that this node remembers."""

    def __init__(self, clock: Clock) -> None:
        self._wall = clock.wall
        self._sent: deque[_Spread] = deque()
        """The oldest first."""
        self._count = 0
        self._bytes = 0
        self._had: dict[bytes, tuple[float, set[Session]]] = {}
        """Of what has not come here yet, the sessions that had it where they were, and until when that counts."""
        self._unserved: set[Session] = set()
        """Who is to get the last one, and did not yet."""

    def begin(self, notify: ForMany) -> Collection[Session]:
        """It is being sent to all who are here, but for those that are returned: they have it."""
        now = self._wall()
        self._forget(now)
        self._count += 1
        self._sent.append(_Spread(self._count, notify.spread_id, now, notify.group, notify))
        self._bytes += len(notify.body)
        if self._bytes > MOST_BYTES:
            self._drop_bodies()
        return self._had.get(notify.spread_id, (now, ()))[1]

    def unserved(self, sessions: Iterable[Session]) -> None:
        """These are to get it yet."""
        self._unserved.update(sessions)

    def served(self, sessions: Iterable[Session]) -> None:
        """These have it, or will not get it."""
        self._unserved.difference_update(sessions)

    def heard(self, session: Session, behind: int = 0) -> Heard:
        """What a session has had of those behind a number; behind 0 of all, also where it was before."""
        now, last = self._wall(), self._count - (session in self._unserved)
        if behind:
            return Heard(self._ids(session, behind, last), now, last)
        self._forget(now)
        had = [spread_id for spread_id, (_, sessions) in self._had.items() if session in sessions]
        return Heard({*self._ids(session, behind, last), *had}, now, last)

    def _ids(self, session: Session, behind: int, last: int) -> list[bytes]:
        groups = session.groups or ()
        new = itertools.takewhile(lambda spread: spread.number > behind, reversed(self._sent))
        return [each.spread_id for each in new if each.number <= last and (not each.group or each.group in groups)]

    def late(self, session: Session, heard: Heard) -> list[ForMany | None]:
        """A session arrived: what it missed on its way, in order; None for what is not there any more."""
        now = self._wall()
        self._forget(now)
        for spread_id in heard.ids:
            self._had.setdefault(spread_id, (now + KEPT, set()))[1].add(session)
        since = heard.at - CAUGHT_UP
        return [each.notify for each in self._sent if each.at >= since and each.spread_id not in heard.ids]

    def _forget(self, now: float) -> None:
        while self._sent and (self._sent[0].at < now - KEPT or len(self._sent) > MOST):
            oldest = self._sent.popleft()
            self._bytes -= len(oldest.notify.body) if oldest.notify is not None else 0
        self._had = {spread_id: had for spread_id, had in self._had.items() if had[0] > now} if self._had else {}

    def _drop_bodies(self) -> None:
        for index, spread in enumerate(self._sent):
            if self._bytes <= MOST_BYTES:
                return
            if spread.notify is not None:
                self._bytes -= len(spread.notify.body)
                self._sent[index] = spread._replace(notify=None)
