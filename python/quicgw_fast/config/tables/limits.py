"""``[limits]`` and ``[overload]``: what one client, one address and the process may use, and what is too much."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quicgw_fast.config.tables.base import Rate, Section
from quicgw_fast.config.values import Count, Size, number, size


class LimitsConfig(Section):
    """``[limits]``: what one client, one address and the process may use."""

    messages_per_second: Rate = 100.0
    """BUSINESS messages per session and second; more are answered 429."""
    message_burst: Count = 200
    """BUSINESS messages that may come at once before the rate counts."""
    in_flight: Count = 64
    """Requests of one session without their reply; more are answered 429."""
    request_bytes: Size = 4 << 20
    """What they take in memory, per session; more are answered 429, but one alone is always taken."""
    request_memory: Annotated[int, size(16 << 20, 1 << 40)] = 256 << 20
    """What they take for all sessions together, at least 16 MiB; more are answered 503."""
    arriving_memory: Annotated[int, size(4 << 20, 1 << 40)] = 256 << 20
    """What messages that are not complete yet take for all clients together, at least 4 MiB; over it, those who have
    most of it are closed with ``OVERLOADED``."""
    control_per_second: Rate = 100.0
    """Heartbeats, acknowledgements of nothing new and refused messages per connection and second; more close it."""
    control_burst: Count = 400
    """The same, at once before the rate counts."""
    auth_failures_per_minute: Count = 10
    """Refused tokens per address; over it, tokens from there are checked at a small rate."""
    max_connections: Count = 50_000
    """Connections at once."""
    max_half_open: Count = 512
    """Handshakes under way at once."""
    retry_above: Annotated[int, number(0, 1_000_000, "handshakes")] = 64
    """Above this many handshakes under way, a new client must prove its address (RFC 9000 §8.1.2). Unless it is set, a
    small ``max_half_open`` brings it down to half of that."""
    handshakes_per_second: Rate = 200.0
    """New connections per address and second."""

    @property
    def retry_from(self) -> int:
        """The number of handshakes that ``retry_above`` means."""
        return (
            self.retry_above
            if "retry_above" in self.model_fields_set
            else min(self.retry_above, self.max_half_open // 2)
        )


class OverloadConfig(Section):
    """``[overload]``: how what is too much is refused; the bounds themselves are in ``[limits]``."""

    count_only: Annotated[tuple[str, ...], Field(examples=[["full"]])] = ()
    """Rules that are counted and not enforced, to see what they would refuse (``/stats``: ``refused``)."""
