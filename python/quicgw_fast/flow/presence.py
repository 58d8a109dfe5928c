"""Which sessions an openid has, and whether its client is there (protocol §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.proto.service_pb2 import SessionPresence, SessionsOfResponse
from quicgw_fast.session import SessionState, is_member

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.proto.service_pb2 import SessionsOfRequest
    from quicgw_fast.session import Registry, Session


class Presence:
    """Answers SessionsOf."""

    def __init__(self, clock: Clock, registry: Registry) -> None:
        self._clock = clock
        self._registry = registry

    async def sessions_of(self, request: SessionsOfRequest) -> SessionsOfResponse:
        """Tell of each session of an openid; of those whose resume window has passed nothing."""
        now = self._clock.now()
        behind = self._clock.wall() - now
        devices = self._registry.devices.of(request.openid)
        there = [session for session in devices if self._registry.serviceable(session, now)]
        return SessionsOfResponse(sessions=[_shown(session, now, behind) for session in there])


def _shown(session: Session, now: float, behind: float) -> SessionPresence:
    """What services are told of a session; ``behind`` are the seconds from the monotonic to the wall clock."""
    return SessionPresence(
        session_id=session.id,
        attached=session.attached,
        logged_in=session.state is SessionState.NORMAL,
        since=session.since + behind,
        detached_since=0.0 if session.detached_at is None else session.detached_at + behind,
        address=session.peer,
        zone=session.zone,
        gid=session.gid,
        groups=[name for name in session.groups or () if is_member(session, name, now)],
    )
