"""What sessions that move need, put together: who gives and takes them, and who brings their replies after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quicgw_fast.flow.abroad import Abroad
from quicgw_fast.flow.arrivals import Arrivals
from quicgw_fast.flow.departed import Departed
from quicgw_fast.flow.departures import Departures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quicgw_fast.clock import Clock
    from quicgw_fast.flow.accounts import Accounts
    from quicgw_fast.flow.closing import Closing
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.flow.login import Logins
    from quicgw_fast.flow.offline import Offline
    from quicgw_fast.flow.ordered import OrderedActions
    from quicgw_fast.flow.replies import Replies
    from quicgw_fast.flow.requests import Requests
    from quicgw_fast.flow.to_many import ToMany
    from quicgw_fast.observe import Metrics
    from quicgw_fast.session import Registry


class MovingSessions(NamedTuple):
    """Whom other gateways talk to, and who talks to them."""

    departures: Departures
    arrivals: Arrivals
    abroad: Abroad
    departed: Departed

    def arrive(self, states: Sequence[bytes]) -> None:
        """Have sessions here that another gateway gave (``Arrivals.arrive``)."""
        self.arrivals.arrive(states)

    def tend(self, now: float) -> None:
        """Do what passes with time."""
        self.departures.tend(now)
        self.abroad.tend(now)


def assemble_moving(
    clock: Clock,
    metrics: Metrics,
    elsewhere: Elsewhere,
    registry: Registry,
    offline: Offline,
    accounts: Accounts,
    closing: Closing,
    make_room: Callable[[int], bool],
    replies: Replies,
    ordered: OrderedActions,
    logins: Logins,
    requests: Requests,
    many: ToMany,
    keep: float,
) -> MovingSessions:
    """Build them, in the order in which they need each other; ``keep`` are the seconds of a departure."""
    departed, abroad = Departed(), Abroad(clock, metrics, registry, elsewhere, replies, logins, ordered)
    arrivals = Arrivals(
        clock, metrics, departed, registry, closing, offline, abroad, requests, make_room, many.catch_up
    )
    departures = Departures(clock, metrics, departed, registry, requests, closing, arrivals, accounts, many.heard, keep)
    return MovingSessions(departures, arrivals, abroad, departed)
