"""One address that serves, and what is known of it: the directory chooses by it, the channel writes it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Instance:
    """One upstream address; one that serves several services has one channel and one health.

    Whoever dials the address keeps the state of the connection.
    """

    address: str
    registered: bool
    """Came through RegisterUpstream: it may leave, and it gets no call before it was connected once."""
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

    @property
    def callable(self) -> bool:
        """Whether it may be called at all: what registered itself and never connected may be a black hole."""
        return not self.registered or self.reached

    @property
    def preferred(self) -> bool:
        """Whether a call has good prospects: connected, or configured and about to be connected first."""
        return self.connected or not (self.registered or self.tried)
