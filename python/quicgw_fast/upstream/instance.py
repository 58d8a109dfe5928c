"""One address that serves, and what is known of it: the choice is made by it, channel, caller and watch write it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from quicgw_fast.observe.distributions import Duration
from quicgw_fast.upstream.score import Score


@dataclass(frozen=True, slots=True)
class Ejection:
    """Why an instance gets no calls for a while, and how long that while is."""

    reason: str
    until: float
    """Monotonic seconds; it returns then, if it shows that it lives."""


@dataclass(eq=False, slots=True)
class Instance:
    """One upstream address; one that serves several services has one channel and one health.

    Whoever dials the address keeps the state of the connection, and the watch keeps what follows from its calls.
    """

    address: str
    registered: bool
    """Came through RegisterUpstream: it may leave, and it gets no call before it was connected once."""
    name: str = ""
    """The ``host:port`` whose host has this address, if it came by that."""
    healthy: bool = False
    """Was connected, and no attempt to connect has failed since."""
    connected: bool = False
    """Is connected now. A healthy one without a connection is about to get a new one."""
    tried: bool = False
    """A first attempt to connect has ended, well or badly."""
    reached: bool = False
    """Was connected at least once."""
    down_since: float = 0.0
    """Monotonic seconds at which it was last known not to be healthy; no meaning while it is."""
    reason: str = ""
    """Why it is not healthy, in a few words."""
    calls: int = 0
    failures: int = 0
    timeouts: int = 0
    in_flight: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    """Failures by gRPC status."""
    score: Score = field(default_factory=Score)
    suspect: bool = False
    """Has calls under way and has answered none for a while: others come first."""
    silent: bool = False
    """Answers neither calls nor health checks, as a process that was stopped: it gets no calls."""
    ejection: Ejection | None = None
    """There while it is out for doing worse than the others."""
    on_trial: bool = False
    """Is back after it was out, and has one call at a time until one was answered."""
    room: float = math.inf
    """Calls that may be under way at once."""
    latency: float = 0.0
    """Seconds that its calls took of late, 0 before that is known."""
    took: Duration = field(default_factory=Duration)
    """Seconds of all its calls that were answered, or not in time, up to the last look of the watch."""
    drained: bool = False
    """An operator had it taken out: it gets no calls until that is taken back, or until it has left and returned."""

    @property
    def authority(self) -> str:
        """What it is told to be called by."""
        return self.name or self.address

    @property
    def callable(self) -> bool:
        """Whether it may be called at all: what registered itself and never connected may be a black hole."""
        return not (self.silent or self.drained) and (not self.registered or self.reached)

    @property
    def preferred(self) -> bool:
        """Whether a call has good prospects: nothing speaks against it, and it is connected, or about to be first."""
        if self.suspect or self.silent or self.drained or self.ejection is not None:
            return False
        return self.connected or not (self.registered or self.tried)

    @property
    def serving(self) -> bool:
        """Whether it is taken to answer calls."""
        return self.healthy and not self.silent and not self.drained

    @property
    def trouble(self) -> str:
        """Why it gets no calls, or only for want of a better one; empty when nothing speaks against it."""
        if self.drained:
            return "an operator took it out"
        if self.silent:
            return "it does not answer"
        return self.reason or (self.ejection.reason if self.ejection else "")
