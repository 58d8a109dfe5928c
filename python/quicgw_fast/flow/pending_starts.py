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

Awaited: TypeAlias = "asyncio.Future[Place] | asyncio.Future[list[PutResult]]"
"""What a START waits for: an answer of the placement or of the offline store."""

LONGEST_WAIT = 1.0
"""Seconds that a START waits for one answer. It is refused when the placement has not answered by then; what the
offline store is found not to have taken later than that is told by the openid's next START."""

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
    """At most one START of an openid waits: a newer one takes its place, as it would take over its session."""

    def __init__(self, clock: Clock, draining: DrainState, registry: Registry, refusals: StartRefusals) -> None:
        self._clock = clock
        self._draining = draining
        self._registry = registry
        self._refusals = refusals
        self._held: dict[str, _Held] = {}

    def attempts(self, openid: str) -> Attempts:
        """Which STARTs of an openid come too late: what the one knows that waits, or else its last session."""
        held = self._held.get(openid)
        return self._registry.attempts(openid, self._clock.now()) if held is None else held.attempts

    def newer(self, openid: str) -> None:
        """Another START of this openid came and was admitted: one that waits gives way."""
        held = self._held.pop(openid, None)
        if held is None:
            return
        held.timer.cancel()
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
        timer = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._release, openid, until)
        self._held[openid] = _Held(start, attempts, until, go_on, timer)
        until.add_done_callback(lambda _: self._release(openid, until))

    def _release(self, openid: str, until: Awaited) -> None:
        held = self._held.get(openid)
        if held is None or held.until is not until:
            return
        del self._held[openid]
        held.timer.cancel()
        if held.start.client.open:
            self._go_on(held)

    def _go_on(self, held: _Held) -> None:
        client, openid = held.start.client, held.start.claim.openid
        try:
            if self._draining.active:  # since it was held
                self._refusals.refuse_by_rule(client, held.start.msg_id, NO_START)
            else:
                held.go_on()
            if openid not in self._held:
                client.carrier.let_go()
        except Exception:  # as for anything else that a client sends: its connection ends, and nobody else's
            _log.exception("START failed", extra={"openid": openid, "peer": client.link.peer})
            client.close(CloseCode.INTERNAL, "internal error")
