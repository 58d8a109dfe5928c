"""A session comes: made of the bytes that another gateway gave, it goes on as if it had always been here.

It arrives without a client; the START that made it come finds it like any other. What it keeps counts in the memory of
all sessions from the first moment on, so it may have to be refused. ``abroad`` watches what runs at its old gateway.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.session import CatchUp, SessionState, read, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.abroad import Abroad
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.departed import Departed
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.observe import Metrics
    from quicgw_fast.proto.session_pb2 import SessionState as PackedSession
    from quicgw_fast.session import ArrivedSession, Heard, Registry, Session

_log = logging.getLogger("quicgw.cluster")


class Arrivals:
    """Takes sessions from other gateways."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        departed: Departed,
        registry: Registry,
        closing: Closing,
        offline: Offline,
        abroad: Abroad,
        requests: Requests,
        make_room: Callable[[int], bool],
        catch_up: Callable[[Session, Heard], None],
    ) -> None:
        """``make_room`` tries to have so many bytes more of the memory that all sessions share. ``catch_up`` sends what
        was for many while a session was on its way.
        """
        self._clock = clock
        self._count_arrived = metrics.counter("sessions_arrived", "Sessions that were taken from other gateways")
        self._departed = departed
        self._registry = registry
        self._closing = closing
        self._tracking = offline.tracking
        self._stored = offline.stored
        self._shared_store = offline.shared
        self._abroad = abroad
        self._requests = requests
        self._make_room = make_room
        self._catch_up = catch_up

    def arrive(self, states: Sequence[bytes], gateway: str = "") -> list[Session]:
        """Have sessions here that ``gateway`` gave, unless they say more; all or none, without what is here by now.

        Raises UnreadableSession, the engine's BudgetFull, and ValueError where an openid has too many sessions by that.
        """
        here: list[ArrivedSession] = []
        try:
            for state in map(read, states):
                if self._registry.by_id(state.session_id) is not None:
                    continue
                arrived = self._restore(state, gateway)
                self._registry.adopt(arrived.session, self._clock.now())
                here.append(arrived)
        except BaseException:
            for arrived in here:
                self.discard(arrived.session)
            raise
        for arrived in here:
            self._settle(arrived)
        return [arrived.session for arrived in here]

    def discard(self, session: Session) -> None:
        """Forget a session that arrived and is somebody else's by now; nothing of it is lost with that."""
        self._closing.move(session)
        self._requests.left(session)

    def _restore(self, state: PackedSession, gateway: str) -> ArrivedSession:
        while True:
            outbox = self._registry.make_outbox()
            try:
                return unpack(state, gateway, outbox, self._tracking.arrives, self._clock.now())
            except BudgetFull as full:
                if not self._make_room(full.needed):
                    raise

    def _settle(self, arrived: ArrivedSession) -> None:
        session = arrived.session
        self._count_arrived.value += 1
        self._departed.forget(session.id)  # in case that it was here before
        if not self._shared_store:
            session.catch_up = CatchUp()  # what it was sent has other ids in the store of this gateway
        for parcel in arrived.parcels:
            self._tracking.waits(session, parcel)
        for group, ends_at in arrived.groups.items():
            self._registry.groups.join(session, group, ends_at)
        self._abroad.arrived(session)
        self._requests.arrived(session, arrived.waiting)
        if session.state is SessionState.NORMAL and not session.outbox.overflowed:
            self._stored.catch_up(session)
        if arrived.heard is not None:
            self._catch_up(session, arrived.heard)
        _log.debug("session arrived", extra={**session.ids, "requests": len(session.elsewhere)})
