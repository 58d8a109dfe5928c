"""``[limits]``: what one client, one address and the process may use."""

from __future__ import annotations

from typing import Annotated

from quicgw_fast.config.tables.base import Rate, Section
from quicgw_fast.config.values import MAX_SIZE, Count, Size, number, size

RateIfAny = Annotated[float, number(0, 1e6, "a second")]
"""Of something per second; 0 sets no bound."""
CountIfAny = Annotated[int, number(0, 1_000_000, "")]
"""Of something at once; 0 sets no bound."""


class LimitsConfig(Section):
    """``[limits]``: what one client, one address and the process may use."""

    messages_per_second: Rate = 100.0
    """BUSINESS messages per session and second; more are answered 429."""
    message_burst: Count = 200
    """BUSINESS messages that may come at once before the rate counts."""
    in_flight: Count = 64
    """Requests of one session without their reply; more are answered 429. Clients are told at most half of
    ``session.window_messages``."""
    request_bytes: Size = 4 << 20
    """What requests without their reply take in memory, per session; more are answered 429, but one alone is always
    taken."""
    request_memory: Annotated[int, size(16 << 20, 1 << 40)] = 256 << 20
    """What requests without their reply take for all sessions together, at least 16 MiB; more are answered 503."""
    arriving_memory: Annotated[int, size(4 << 20, 1 << 40)] = 256 << 20
    """What messages that are not complete yet take for all clients together, at least 4 MiB; over it, those who have
    most of it are closed with ``OVERLOADED``."""
    control_per_second: Rate = 100.0
    """Heartbeats, acknowledgements of nothing new and refused messages per connection and second; more close it."""
    control_burst: Count = 400
    """Messages of the kind of ``control_per_second`` that may come at once before the rate counts."""
    auth_failures_per_minute: Count = 10
    """Refused tokens per address; over it, tokens from there are checked at a small rate, and refused unread beyond."""
    max_connections: Count = 50_000
    """Connections of all clients at once."""
    max_half_open: Count = 512
    """Handshakes under way at once."""
    retry_above: Annotated[int, number(0, 1_000_000, "handshakes")] = 64
    """Above this many handshakes under way, a new client must prove its address (RFC 9000 §8.1.2). Unless it is set, a
    small ``max_half_open`` brings it down to half of that."""
    handshakes_per_second: Rate = 200.0
    """New connections per address and second."""
    connections_per_address: CountIfAny = 0
    """Connections at once of one IPv4 address, or of one /64 of IPv6; 0 sets no bound."""
    connections_per_second: RateIfAny = 0.0
    """New connections a second in all; more are told when to come back. 0 sets no bound."""
    requests_per_second: RateIfAny = 0.0
    """Requests in any second in all; more are answered 503 with the error-code QPS. 0 sets no bound."""
    max_calls: CountIfAny = 0
    """Calls of services under way in all, until they end; more are answered 503. 0 sets no bound."""
    memory: Annotated[int, size(0, MAX_SIZE)] = 0
    """What the process may take in memory; near it, less and less is taken (``overload.memory_stages``). 0 for what its
    cgroup allows, if anything."""

    @property
    def retry_from(self) -> int:
        """The number of handshakes that ``retry_above`` means."""
        return (
            self.retry_above
            if "retry_above" in self.model_fields_set
            else min(self.retry_above, self.max_half_open // 2)
        )


LimitsConfig.live = frozenset(LimitsConfig.model_fields)  # every one is the bound of a rule
