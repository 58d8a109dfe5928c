"""Nothing is sent to a client, nor asked of a service, for whom this gateway may not act at the moment: another may.

Where there are several gateways, one that was paused or cut off does not know whether it still has its sessions. It is
asked right before something would be sent: a check at the beginning of the pause's end would come too late for what
runs before it. What has taken its number meanwhile is retained like anything that a connection has no room for, and
goes out once the session is known to be here still; if it is not, nobody has seen it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Link
    from quicgw_fast.processor import AsyncTask
    from quicgw_fast.session import Session

    R = TypeVar("R")

ALWAYS: Final = attrgetter("link")
"""For a gateway that is alone: nobody else ever acts, and nothing is asked."""


class Fence:
    """Between the sender and the connections."""

    def __init__(self, may_act: Callable[[str], bool] | None, pump: Callable[[Session], None]) -> None:
        """``may_act`` says it of an openid, now; None where that is always so. ``pump`` sends what was retained."""
        self.link_of: Callable[[Session], Link | None] = ALWAYS if may_act is None else self._link_of
        """The connection of a session, unless nothing may be sent to it."""
        self._may_act = may_act or (lambda _: True)
        self._pump = pump
        self._held_back: set[Session] = set()

    def _link_of(self, session: Session) -> Link | None:
        link = session.link
        if link is None or self._may_act(session.openid):
            return link
        self._held_back.add(session)
        return None

    def tend(self, now: float) -> None:
        """Go on with those for whom it may be acted again."""
        del now
        for session in [session for session in self._held_back if self._may_act(session.openid)]:
            self._held_back.discard(session)
            self._pump(session)
        self._held_back = {session for session in self._held_back if session.attached}


def fenced(
    work: Callable[[AsyncTask[Session], Done[R]], Cancellable], may_act: Callable[[str], bool] | None
) -> Callable[[AsyncTask[Session], Done[R]], Cancellable]:
    """``work`` that begins with nothing for whom this gateway may not act: what waited in a queue is answered 503.

    What waits for a session that moved is its own all the same, as whoever has the session now counts on it.
    """
    if may_act is None:
        return work

    def begin(task: AsyncTask[Session], done: Done[R]) -> Cancellable:
        if may_act(task.session.openid) or task.session.moved:
            return work(task, done)
        raise RequestError(
            ErrorCode.OVERLOADED, "not at this gateway", "this node has lost touch with its cluster; nothing was done"
        )

    return begin
