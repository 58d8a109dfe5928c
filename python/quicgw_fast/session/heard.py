"""What was for many sessions, and reached those of one gateway (``flow.spreads``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from quicgw_fast.session.session import Session


class Heard(NamedTuple):
    """What a session takes along of it when it leaves, or leaves behind when its gateway dies."""

    ids: Collection[bytes]
    """Of what was for all who were there lately."""
    at: float
    """When that was so: wall clock, in seconds."""
    number: int = 0
    """Of all that there were at its gateway, up to which one this says what it had."""


HeardOf: TypeAlias = "Callable[[Session, int], Heard]"
"""Says what a session had behind a number; behind 0 all that it may be asked for."""
