"""How a gateway stops (protocol §6): the clients get what was accepted for them, and are sent elsewhere.

A stop is a way in one direction only, and each step takes something more away:

* ``leaving``: it was asked to stop. Readiness and health say no, so that nobody is sent here any more; all the rest
  works as ever, for as long as load balancers need to notice.
* ``active``: nobody is taken in any more, neither a connection nor a START, and no push that nobody would deliver.
  Clients that are here are served until it is their turn to go (``going``): a request that comes then is answered 503,
  and the client is closed once it has the answers to what was accepted before.
* ``refusing``: it is everybody's turn. What was accepted is ended.

Clients go at a pace where one is configured, so that the next gateway is not stormed: EMQX evacuates a node that way.
Each is told when to come back, and where. Without a pace all of them have their turn at once, and it is the times that
they are told which are spread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import CloseCode
from quicgw_fast.flow.farewell import RETURNS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from quicgw_fast.clock import Clock
    from quicgw_fast.config import DrainConfig
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.farewell import Farewell
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry, Session

LOOK_EVERY = 0.02
"""Seconds between two looks at the clients that have not got everything yet."""
LAST_MOMENT = 0.25
"""Seconds that an answer has to arrive which was given when the time was nearly over, or over."""
ACK_MOMENT = 0.25
"""Seconds that a client has to acknowledge what its QUIC has: only then is it known that its application got it, and
not lost by our accounts. It may leave it out, so that nobody waits longer for it."""
SLICE = 200
"""Clients that are closed in one go, before the loop has its turn."""
SHARE_OF_PACING = 0.5
"""Of the time of a drain, what the turns may take at most: the rest is for what was accepted of those who go last."""

_log = logging.getLogger("quicgw.gateway")


@dataclass(slots=True)
class DrainState:
    """How far the gateway is with its stop."""

    leaving: bool = False
    """It was asked to stop."""
    active: bool = False
    """Nobody is taken in any more."""
    refusing: bool = False
    """No request is accepted any more."""
    moving: bool = False
    """Other gateways fetch the sessions: what is kept for them goes there with them."""
    going: set[Session] = field(default_factory=set)
    """Whose turn has come to go, before it is everybody's."""


@dataclass(slots=True)
class _Waiting:
    session: Session
    turn: float
    """From when on it is to go."""
    progress: int
    """Bytes that the client's QUIC had acknowledged at ``since``, when it last moved."""
    since: float
    delivered_at: float = math.inf
    """When its QUIC was first seen to have everything, and nothing has come since."""

    def has_everything(self, now: float) -> bool:
        session, link = self.session, self.session.link
        gone = link is None or link.closed
        owed = (
            session.outbox.in_flight or session.cursor < session.outbox.last_seq or (link is not None and link.pending)
        )
        if owed and not gone:
            self.delivered_at = math.inf
            return False
        self.delivered_at = min(self.delivered_at, now)
        return True

    def may_acknowledge(self, now: float) -> bool:
        """Whether a client that has everything may still be about to say so."""
        outbox, link = self.session.outbox, self.session.link
        if link is None or link.closed:
            return False
        return outbox.acked_seq < outbox.last_seq and now - self.delivered_at < ACK_MOMENT

    def stands_still_for(self, now: float) -> float:
        """Seconds in which the client took nothing of what it is owed; what is not answered yet nobody could take."""
        link = self.session.link
        if self.session.outbox.in_flight:
            self.since = now
        elif link is not None and link.progress != self.progress:
            self.progress, self.since = link.progress, now
        return now - self.since


class HandOut:
    """Gets to the clients of a gateway that stops what was accepted for them, and sends them away."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        draining: DrainState,
        registry: Registry,
        closing: Closing,
        farewell: Farewell,
        pace: int,
        stall_timeout: float,
    ) -> None:
        """``pace`` clients go in a second, 0 for all at once.

        ``stall_timeout`` are the seconds after which a client that makes no progress is given up.
        """
        self._clock = clock
        self._count_drain_undelivered = metrics.counter(
            "drain_undelivered", "Messages that clients may not have when the gateway stops"
        )
        self._draining = draining
        self._registry = registry
        self._closing = closing
        self._farewell = farewell
        self._pace = pace
        self._stall_timeout = stall_timeout

    def reconfigure(self, drain: DrainConfig, longest: float, stall_timeout: float) -> None:
        """Go by other settings; ``longest`` are the seconds that a drain may take."""
        self._pace = drain.pace
        self._stall_timeout = stall_timeout
        self._farewell.reconfigure(drain, longest)

    async def run(self, until: float, finish: Callable[[], Coroutine[None, None, None]]) -> None:
        """Close each attached client that has everything when its turn has come; return when none is left.

        ``finish`` ends what was accepted, about ``until`` (monotonic) at the latest. It is called when all have had
        their turn, and what it raises is raised here. A client has everything when its requests are answered, its
        outbox was handed over and QUIC acknowledged every byte; for its own acknowledgement there is a moment. What
        clients may not have is counted, and said in one line.
        """
        now = self._clock.now()
        waiting, last_turn = self._turns(now, until)
        given_up: list[Session] = []
        while waiting and now < last_turn:
            waiting = await self._look(waiting, given_up, now, math.inf)
            await asyncio.sleep(LOOK_EVERY)
            now = self._clock.now()
        self._draining.refusing = True
        async with _under_way(finish()) as finishing:
            end = math.inf
            while waiting:
                if finishing.done() and end == math.inf:
                    end = max(until, now + LAST_MOMENT)
                waiting = await self._look(waiting, given_up, now, end)
                if waiting:
                    await asyncio.sleep(LOOK_EVERY)
                    now = self._clock.now()
        self._give_up(given_up)

    def succeeded(self, by_another: bool) -> None:
        """Another process takes over where this one listens, or does not any more: nobody is taken in here then."""
        self._draining.active = self._draining.moving = self._farewell.succeeded = by_another

    async def send_on(self) -> None:
        """Send all clients there, as many in a second as handshakes may cost; what runs for them follows.

        Their requests are not refused until then, nor waited for. Cancelled, it leaves the others where they are.
        """
        owed = 0.0
        while sessions := [session for session in self._registry if session.link is not None]:
            owed = min(owed + (self._pace or RETURNS_PER_SECOND) * LOOK_EVERY, SLICE)
            for session in sessions[: int(owed)]:
                self._send_away(session)
            owed -= int(owed)
            await asyncio.sleep(LOOK_EVERY)  # the pace: so many in each of these

    def _turns(self, now: float, until: float) -> tuple[list[_Waiting], float]:
        """Say whose turn comes when, and when the last one's."""
        sessions = [session for session in self._registry if session.link is not None]
        lasting = len(sessions) / self._pace if self._pace else 0.0
        lasting = min(lasting, max(0.0, until - now) * SHARE_OF_PACING)
        each = lasting / max(1, len(sessions))
        self._farewell.spread_over(len(sessions) if not each else min(len(sessions), math.ceil(1 / each)))
        turns = [
            _Waiting(session, now + number * each, session.link.progress if session.link is not None else 0, now)
            for number, session in enumerate(sessions)
        ]
        return turns, turns[-1].turn if turns else now

    async def _look(self, waiting: list[_Waiting], given_up: list[Session], now: float, end: float) -> list[_Waiting]:
        """Look at all once; return those that have to be waited for."""
        left = []
        for number, one in enumerate(waiting, 1):
            if one.turn > now:
                left.append(one)
                continue
            if not self._draining.refusing:
                self._draining.going.add(one.session)
            if one.has_everything(now):
                if now < end and one.may_acknowledge(now):
                    left.append(one)
                else:
                    self._send_away(one.session)
            elif now >= end or one.stands_still_for(now) >= self._stall_timeout:
                given_up.append(one.session)
            else:
                left.append(one)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return left

    def _give_up(self, sessions: list[Session]) -> None:
        if not sessions:
            return
        messages = sum(session.outbox.last_seq - session.outbox.acked_seq for session in sessions)
        self._count_drain_undelivered.value += messages
        _log.warning("drain incomplete", extra={"clients": len(sessions), "messages": messages})
        for session in sessions:
            self._send_away(session, flush=False)

    def _send_away(self, session: Session, *, flush: bool = True) -> None:
        detail = self._farewell.detail(session.outbox.max_client_seq)
        self._closing.disconnect(session, CloseCode.DRAINING, detail, flush=flush)


@contextlib.asynccontextmanager
async def _under_way(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Do ``work`` beside the block, wait for its end behind it, and raise what it raises."""
    task = asyncio.create_task(work, name="finishing")
    try:
        yield task
        await task
    finally:
        task.cancel()
