"""One notify for many sessions: broadcasts, and pushes to groups (protocol §4).

They go one after the other, so that any two of them come in one order to all who get both. The notify is encoded once,
by whoever sends it. Its receivers are served in slices, between which others have their turn; whether somebody gets it
is judged when it is his, so that nobody gets it who has left meanwhile.

Who is not logged in yet, or is still owed what is older, has it kept until then. Where there is no room for it, in the
window or among what is kept, the session has missed something that others got, and so overflows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import BudgetFull, CacheFull, Overflowed, WindowFull
from quicgw_fast.overload import PushFacts
from quicgw_fast.session import DOWN, Login, SessionState

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.delivery import OrderedSender
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.spreads import ForMany, Spreads
    from quicgw_fast.observe import Metrics
    from quicgw_fast.overload import Gate, PushRefusal
    from quicgw_fast.session import Heard, Session

SLICE = 128
"""Sessions served before the loop may do something else."""


@dataclass(slots=True)
class Reached:
    """What it came to."""

    receivers: int = 0
    """Who was to get it when its turn came."""
    sent: int = 0
    """Of those, who has a number for it, or has it kept."""
    took: list[Session] = field(default_factory=list)
    """Who that is."""
    pending: int = 0
    """Bytes that are kept for all of them."""
    most: int = 0
    """The same of the one with most."""
    refusal: PushRefusal | None = None
    """Why some are not to get it."""


class ToMany:
    """Sends what many get."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        draining: DrainState,
        sender: OrderedSender[Session],
        offline: Offline,
        gate: Gate[PushFacts, PushRefusal],
        spreads: Spreads,
    ) -> None:
        self.taken = metrics.counter("notifies", "Notifies that were taken for a client")
        """Counted by whoever takes one."""
        self._clock = clock
        self._draining = draining
        self._sender = sender
        self._offline = offline
        self._gate = gate
        self._spreads = spreads
        self._barrier = sender.barrier
        self._turn = asyncio.Lock()

    async def send(self, notify: ForMany) -> Reached:
        """Wait for its turn, and send it to all who may get it."""
        reached = Reached()
        async with self._turn:
            receivers = notify.receivers()
            reached.receivers = len(receivers)
            if notify.spread_id and (had := self._spreads.begin(notify)):
                receivers = [session for session in receivers if session not in had]
            self._spreads.unserved(receivers)
            try:
                for at in range(0, len(receivers), SLICE):
                    if at:
                        await asyncio.sleep(0)  # others have their turn
                    self._serve(notify, receivers[at : at + SLICE], reached)
                    self._spreads.served(receivers[at : at + SLICE])
            finally:
                self._spreads.served(receivers)
        if self._barrier is not None:
            # Who has a session without it does not have it for sure, whatever went along.
            reached.sent = sum(await self._barrier.written(reached.took))
        return reached

    def catch_up(self, session: Session, heard: Heard) -> None:
        """Send a session that came from another node what reached all who were here while it was on its way."""
        for notify in self._spreads.late(session, heard):
            if notify is None:
                self._sender.overflow(session, notifies=1)
            else:
                self._serve(notify, [session], Reached())

    def heard(self, session: Session) -> Heard:
        """What of it a session takes along that leaves for another node."""
        return self._spreads.heard(session)

    def deliverable(self, session: Session) -> bool:
        """Whether a gateway that stops could still deliver what is kept for a session: nobody comes back to it.

        Other gateways may fetch it, with what is kept.
        """
        if self._offline.enabled or self._draining.moving:
            return True
        return session.reachable and (session.state is SessionState.NORMAL or session.login is Login.UNDER_WAY)

    def _serve(self, notify: ForMany, receivers: list[Session], reached: Reached) -> None:
        admitted = self._admitted(notify.still(receivers), reached)
        now = [session for session in admitted if session.may_release]
        took = self._send_all(now, notify.body)
        if len(now) < len(admitted):
            later = (session for session in admitted if not session.may_release)
            took = [*took, *(session for session in later if self._keep(session, notify.body))]
        self._note(admitted, notify)
        self.taken.value += len(took)
        reached.sent += len(took)
        reached.took += took
        kept = [session.outbox.memory for session in admitted]
        reached.pending += sum(kept)
        reached.most = max([reached.most, *kept])

    def _admitted(self, sessions: list[Session], reached: Reached) -> list[Session]:
        """Those of the sessions for which a notify may be accepted now."""
        if not self._draining.active:
            # A gateway that goes on can deliver to every one: the facts are the same for all, and so is the answer.
            refusal = self._gate.judge(PushFacts(draining=False, deliverable=True)) if sessions else None
            reached.refusal = refusal or reached.refusal
            return sessions if refusal is None else []
        admitted = []
        for session in sessions:
            refusal = self._gate.judge(PushFacts(True, self.deliverable(session)))
            if refusal is None:
                admitted.append(session)
            else:
                reached.refusal = refusal
        return admitted

    def _send_all(self, sessions: list[Session], body: bytes) -> list[Session]:
        """Send it to these; those that took a number for it."""
        hindered = self._sender.push_to_all(sessions, body)
        without = {session for session in hindered if not self._push(session, body)}
        return [session for session in sessions if session not in without] if without else sessions

    def _push(self, session: Session, body: bytes) -> bool:
        try:
            self._sender.push(session, body)
        except WindowFull:
            self._sender.overflow(session, notifies=1)
            return False
        except Overflowed:
            return False
        return True

    def _keep(self, session: Session, body: bytes) -> bool:
        try:
            self._sender.hold(session, body)
        except (CacheFull, BudgetFull):
            self._sender.overflow(session, notifies=1)
            return False
        except Overflowed:
            return False
        return True

    def _note(self, sessions: list[Session], notify: ForMany) -> None:
        """Keep it in the trails of the sessions, as one entry for all."""
        entry = (self._clock.now(), DOWN, notify.kind, None, len(notify.body), None, notify.group, None)
        for session in sessions:
            if session.trail is not None:
                session.trail.append(entry)
