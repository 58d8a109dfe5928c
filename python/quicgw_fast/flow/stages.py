"""The short stages of a request, measured for one request in ``EVERY``: what costs little is not to cost more by that.

A request waits for a worker and for its service, which is measured for each (``queue_wait``, ``upstream_call``), as is
all of it (``request_time``). Before, between and behind that lies what the gateway itself does: *decode*, from the
bytes of the message until it is accepted and in its place; *reply*, the step that numbers, encodes and keeps the reply
and what is bound to it, and gives it to the connection; *flush*, from there until the connection has made its packets
of it and the turn of the loop is over. What QUIC's congestion control holds back longer is not in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quicgw_fast.observe.distributions import SHORT_BOUNDS
from quicgw_fast.ports import Inflow

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.observe import Metrics

EVERY: Final = 16
"""Rarer, it would take long until percentiles mean anything; each one measured costs about half a microsecond."""
STAGES: Final = ("decode", "reply", "flush")


class StageTimes:
    """Where the legs of a request say that they are done with it; the first one is measured, too."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        help = f"Short stages of a request, measured for one in {EVERY}"
        took = metrics.durations("request_stage", help, "stage", STAGES, SHORT_BOUNDS)
        self._clock = clock
        self.inflow = Inflow()
        """What is being handed over, of which decode begins: the carriers write it."""
        self._decode, self._reply, self._flush = (took[stage].observe for stage in STAGES)
        self.to_decode = self.to_reply = 1
        """How many more come until one is measured: the legs count them down, which costs no call, and call at 0."""

    def accepted(self) -> None:
        """The request that is measured is in its place."""
        self.to_decode = EVERY
        self._decode(self._clock.now() - self.inflow.began)

    def replied(self, began: float) -> None:
        """The reply that is measured is with the connection; the step that brought it there began then (monotonic)."""
        self.to_reply = EVERY
        now = self._clock.now()
        self._reply(now - began)
        # The connection makes its packets at the end of this burst, or first thing in the next turn of the loop.
        self._clock.call_later(0.0, partial(self._flushed, now))

    def _flushed(self, began: float) -> None:
        self._flush(self._clock.now() - began)
