"""STARTs that wait for an answer: whether their openid may live here, or what exactly of its last session was lost."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from quicgw_fast.codes import CloseCode, ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.overload import NO_START

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.auth import Grant
    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.client import ConnectedClient
    from quicgw_fast.flow.draining import DrainState
    from quicgw_fast.flow.start_refusals import StartRefusals
    from quicgw_fast.placement import Place
    from quicgw_fast.session import Attempts, Registry, StartClaim
    from quicgw_fast.store import PutResult

Awaited: TypeAlias = "asyncio.Future[Place] | asyncio.Future[list[PutResult]] | asyncio.Future[None]"
"""What a START waits for: an answer of the placement or of the offline store, or that its session is written down."""

LONGEST_WAIT = 1.0
"""Seconds that a START waits for one answer. It is refused when the placement has not answered by then; what the
offline store is found not to have taken later than that is told by the openid's next START. So is one whose session
could not be written down: that goes on without a client."""

_log = logging.getLogger("quicgw.session")


@dataclass(slots=True, frozen=True)
class AdmittedStart:
    """A START whose client is who it says it is, and comes in time."""

    client: ConnectedClient
    msg_id: int
    claim: StartClaim
    grant: Grant


@dataclass(slots=True, eq=False)
class _Held:
    start: AdmittedStart
    attempts: Attempts
    until: Awaited
    go_on: Callable[[], None]
    timer: asyncio.TimerHandle


class PendingStarts:
    """At most as many STARTs of an openid wait as it may have sessions: a newer one takes a place as it would there.

    Of one client there is one at most, the newest.
    """

    def __init__(self, clock: Clock, draining: DrainState, registry: Registry, refusals: StartRefusals) -> None:
        self._clock = clock
        self._draining = draining
        self._registry = registry
        self._refusals = refusals
        self._held: dict[str, list[_Held]] = {}
        """By openid, the oldest first."""

    def attempts(self, openid: str) -> Attempts:
        """Which STARTs of an openid come too late: what those know that wait, or else its sessions."""
        waiting = self._held.get(openid)
        return waiting[0].attempts if waiting else self._registry.attempts(openid, self._clock.now())

    def online_elsewhere(self, claim: StartClaim) -> bool:
        """Whether a START is refused, as another client of its openid is there or about to be."""
        devices = self._registry.devices
        if devices.online_elsewhere(claim):
            return True
        if not devices.policy.refuses or devices.named(claim):
            return False
        waiting = [held.start for held in self._held.get(claim.openid, ())]
        return any(start.client.open and not start.claim.same_client(claim) for start in waiting)

    def newer(self, claim: StartClaim) -> None:
        """Another START came and was admitted: those that wait give way, of its client and beyond their number."""
        waiting = self._held.get(claim.openid)
        if waiting is None:
            return
        places = self._registry.devices.policy.most - 1
        others = [held for held in waiting if held.start.client.open and not held.start.claim.same_client(claim)]
        stay = others[max(0, len(others) - places) :]
        for held in [held for held in waiting if held not in stay]:
            self._remove(held)
            if held.start.client.open:
                superseded = RequestError(ErrorCode.FORBIDDEN, "superseded", "a newer connection took over")
                self._refusals.refuse(held.start.client, held.start.msg_id, superseded)

    def hold(self, start: AdmittedStart, until: Awaited, go_on: Callable[[], None]) -> None:
        """Call ``go_on`` once ``until`` is done or the longest wait is over; it may have the START wait once more.

        What the client sends meanwhile waits behind. ``go_on`` is not called if a newer START comes first, if the
        gateway begins to stop, or if the connection ends.
        """
        openid, carrier = start.claim.openid, start.client.carrier
        attempts = self.attempts(openid)
        attempts.note(start.claim)  # an older one must not take its place
        if not carrier.held:
            carrier.hold()
        timer = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._release, start, until)
        self._held.setdefault(openid, []).append(_Held(start, attempts, until, go_on, timer))
        until.add_done_callback(lambda _: self._release(start, until))

    def _release(self, start: AdmittedStart, until: Awaited) -> None:
        held = self._find(start)
        if held is None or held.until is not until:
            return
        self._remove(held)
        if start.client.open:
            self._go_on(held)

    def _find(self, start: AdmittedStart) -> _Held | None:
        return next((held for held in self._held.get(start.claim.openid, ()) if held.start is start), None)

    def _remove(self, held: _Held) -> None:
        held.timer.cancel()
        openid = held.start.claim.openid
        self._held[openid].remove(held)
        if not self._held[openid]:
            del self._held[openid]

    def _go_on(self, held: _Held) -> None:
        client = held.start.client
        try:
            if self._draining.active:  # since it was held
                self._refusals.refuse_by_rule(client, held.start.msg_id, NO_START)
            else:
                held.go_on()
            if self._find(held.start) is None:
                client.carrier.let_go()
        except Exception:  # as for anything else that a client sends: its connection ends, and nobody else's
            _log.exception("START failed", extra={"openid": held.start.claim.openid, "peer": client.link.peer})
            client.close(CloseCode.INTERNAL, "internal error")
