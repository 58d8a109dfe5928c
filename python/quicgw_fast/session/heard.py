"""What was for many sessions, and reached those of one gateway (``flow.spreads``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class Heard(NamedTuple):
    """What a session takes along of it when it leaves."""

    ids: Collection[bytes]
    """Of what was for all who were there lately."""
    at: float
    """When it left: wall clock, in seconds."""
