"""A session leaves: it is closed here, made into bytes, and given to the gateway that asked for it.

Whoever asks has claimed the openid, under a generation that is higher than that of the claim here. It gets the bytes,
and the same bytes when it asks once more; it confirms, and only then acts for the session (``departed`` says why).
What nobody confirms in time comes to what it would have come to without that gateway: the session ends here, as one
whose resume window passed. What it owed goes to the offline store or counts as lost, and its client is told.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from quicgw_fast.backend.errors import BudgetFull
from quicgw_fast.codes import CloseCode
from quicgw_fast.flow.departed import Departure
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.session import Event, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.accounts import Accounts
    from quicgw_fast.flow.arrivals import Arrivals
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.departed import Departed
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Heard, Registry, Session

_log = logging.getLogger("quicgw.cluster")


class OutdatedClaim(Exception):
    """A session is asked for under a generation that is not the newest: somebody else has claimed its openid since."""


class Departures:
    """Gives sessions to gateways that claimed them."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        departed: Departed,
        registry: Registry,
        requests: Requests,
        closing: Closing,
        arrivals: Arrivals,
        accounts: Accounts,
        heard: Callable[[Session], Heard],
        keep: float,
    ) -> None:
        """``heard`` says what was for many lately.

        ``keep`` are the seconds that a departure may be open, and that pushes are forwarded behind it.
        """
        self._clock = clock
        self._count_departed = metrics.counter("sessions_departed", "Sessions that were given to other gateways")
        self._count_lapsed = metrics.counter(
            "sessions_departed_lapsed", "Those of them that no gateway confirmed to have, so that they ended"
        )
        metrics.gauge(
            "sessions_departed_open", "Those of them that are not confirmed yet", lambda: departed.unconfirmed
        )
        self._departed = departed
        self._registry = registry
        self._requests = requests
        self._closing = closing
        self._arrivals = arrivals
        self._accounts = accounts
        self._heard = heard
        self._repeats = RepeatLog(_log)
        self.reconfigure(keep)

    def reconfigure(self, keep: float) -> None:
        """Keep departures for so many seconds, those that there are, too."""
        self._keep = keep

    def depart(
        self,
        generation: int,
        *,
        openid: str = "",
        session_ids: Sequence[str] = (),
        held: int = 0,
        again: bool = False,
    ) -> list[bytes]:
        """Give away all sessions of an openid, or these; what is not here is left out.

        ``held`` is the claim by which they are here, if there are claims; ``again`` gives only what was given of it.

        Their connections are closed with SUPERSEDED. Raises OutdatedClaim where a higher generation was given one of
        them; then nothing is given.
        """
        live = [] if again else self._live(openid, session_ids)
        given = [departure for departure in self._given(openid, session_ids) if departure.held == held]
        newest = max((departure.generation for departure in given), default=generation)
        if newest > generation:
            raise OutdatedClaim(f"generation {generation} is not the newest: {newest} was given the session")
        now = self._clock.now()
        for departure in given:
            departure.generation, departure.at = generation, now
            self._departed.add(departure)
        return [departure.state for departure in given] + [self._leave(session, generation, held) for session in live]

    def confirm(self, generation: int, session_ids: Sequence[str]) -> bool:
        """The gateway that fetched these sessions has all of them; False when it must not go on with them.

        That is so when one of them lapsed, or was fetched under another generation since. Asked again, it is the same.
        """
        departures = [self._departed.get(session_id) for session_id in session_ids]
        if any(departure is None or departure.generation != generation for departure in departures):
            return False
        for departure in departures:
            if departure is not None and departure.open:
                departure.state, departure.at = b"", self._clock.now()
                self._departed.add(departure)
        return True

    def confirm_claim(self, openid: str, held: int) -> None:
        """The gateway that fetched what was here of an openid by a claim has all of it."""
        for departure in self._departed.of_openid(openid):
            if departure.held == held:
                self.confirm(departure.generation, (departure.session.id,))

    def take_back(self) -> None:
        """Whoever asked for sessions is gone for good: what it never confirmed goes on here, and the rest is no more.

        What there is no memory for stays a departure, and comes to what any becomes that nobody confirms.
        """
        for departure in self._departed.before(math.inf):
            if departure.open:
                try:
                    self._arrivals.arrive([departure.state], "")
                except BudgetFull:
                    continue
            else:
                self._requests.forget(departure.session)
            self._departed.forget(departure.session.id)

    def tend(self, now: float) -> None:
        """End what nobody confirmed in time, and forget what was confirmed long ago."""
        for departure in self._departed.before(now - self._keep):
            self._departed.forget(departure.session.id)
            if departure.open:
                self._lapse(departure)
            else:
                self._requests.forget(departure.session)
        self._repeats.flush(now)

    def stop(self) -> None:
        """End what is open: the gateway goes, and with it whoever could be told."""
        self.tend(math.inf)

    def holds(self, target_type: str, target_id: str) -> bool:
        """Whether a push to this target is for a session that was given away, and is not confirmed to have arrived."""
        return any(departure.open for departure in self._departed.of(target_type, target_id))

    def _live(self, openid: str, session_ids: Sequence[str]) -> list[Session]:
        found = self._registry.devices.of(openid) if openid else map(self._registry.by_id, session_ids)
        return [session for session in found if session is not None and not self._closing.expire(session)]

    def _given(self, openid: str, session_ids: Sequence[str]) -> list[Departure]:
        found = self._departed.of_openid(openid) if openid else map(self._departed.get, session_ids)
        return [departure for departure in found if departure is not None and departure.open]

    def _leave(self, session: Session, generation: int, held: int) -> bytes:
        now = self._clock.now()
        requests = self._requests.staying(session), self._requests.coming_along(session)
        state = pack(session, *requests, now, self._heard(session))  # nothing has changed if that fails
        self._closing.move(session)
        self._requests.left(session)
        self._departed.add(Departure(session, state, generation, now, held))
        self._count_departed.value += 1
        _log.debug("session departed", extra={**session.ids, "generation": generation, "size": len(state)})
        return state

    def _lapse(self, departure: Departure) -> None:
        session = departure.session
        self._count_lapsed.value += 1
        fields = {**session.ids, "generation": departure.generation}
        self._repeats.add(logging.WARNING, "session not confirmed", "", self._clock.now(), fields)
        self._requests.give_up(session)
        try:
            (back,) = self._arrivals.arrive([departure.state], "")
        except (BudgetFull, ValueError):  # there is no room to hand anything over, or its openid began afresh here
            self._accounts.end(session.outbox.tally)
        else:
            self._closing.end(back, Event.EXPIRED, CloseCode.IDLE, "no gateway went on with it")
