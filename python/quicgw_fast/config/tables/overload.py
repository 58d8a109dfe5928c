"""``[overload]``: how what is too much is refused; the bounds themselves are in ``[limits]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from quicgw_fast.config.tables.base import Section
from quicgw_fast.config.values import number

Share = Annotated[float, number(0.01, 1.0, "of it")]
"""A part of a bound."""


class OverloadConfig(Section):
    """``[overload]``: how what is too much is refused; the bounds themselves are in ``[limits]``."""

    observe: Annotated[tuple[str, ...], Field(examples=[["full"]])] = ()
    """Overload rules that refuse nothing and count what they would refuse (``/stats``: ``would_reject``):
    ``address-connections``, ``answer-rate``, ``calls``, ``concurrency``, ``connection-rate``, ``control-flood``,
    ``full``, ``guessed-tokens``, ``half-open``, ``handshake-rate``, ``held-before-start``, ``in-flight``, ``memory``,
    ``message-rate``, ``noise``, ``queue-delay``, ``renewal-rate``, ``request-flood``, ``request-memory``,
    ``request-rate``, ``retry-above``, ``session-request-memory``."""
    warn_at: Share = 0.8
    """The part of a rule's bound from which on the log warns, once until it is well below again."""
    memory_stages: Annotated[tuple[Share, Share, Share, Share], Field(examples=[[0.8, 0.85, 0.9, 0.95]])] = (
        0.8,
        0.85,
        0.9,
        0.95,
    )
    """The parts of ``limits.memory`` from which on no more connections, then logins, then requests are taken, and the
    largest sessions are closed."""
    memory_slack: Annotated[float, number(0.0, 0.5, "of it")] = 0.05
    """How much of ``limits.memory`` must be free again below a stage before that is left."""


OverloadConfig.live = frozenset(OverloadConfig.model_fields)
