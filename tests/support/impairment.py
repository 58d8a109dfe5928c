"""What a bad network does to one direction of traffic, decided from a seed.

A fixed number of random figures is drawn per datagram, so that the fate of the n-th datagram of a direction
depends on the seed and n alone: not on timing, not on the other direction, not on what else is switched on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


class Direction(StrEnum):
    """Which way a datagram goes."""

    UP = "up"  # client to gateway
    DOWN = "down"  # gateway to client


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to datagrams of one direction: probabilities of 0 to 1, times in seconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    """Share of the datagrams held back by ``reorder_by`` more, so that later ones overtake them."""
    reorder_by: float = 0.02
    delay: float = 0.0
    jitter: float = 0.0
    """Up to this much is added to the delay, evenly spread; it reorders too."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What was decided for one datagram."""

    lost: bool
    corrupt_at: float | None
    """Where to corrupt it, as a share of its length, or None."""
    held: bool
    delays: tuple[float, ...]
    """Seconds to wait, one figure per copy."""


@dataclass(slots=True)
class Stats:
    """What a direction went through, in datagrams."""

    received: int = 0
    lost: int = 0
    blackholed: int = 0
    duplicated: int = 0
    corrupted: int = 0
    held_back: int = 0
    delivered: int = 0
    overtaken: int = 0
    """Delivered after a datagram that had come in later."""
    delay_total: float = 0.0
    """Seconds that delivered datagrams were given to wait, together."""


@dataclass(slots=True)
class Lane:
    """One direction: its impairment, its random source, and what it did so far."""

    impairment: Impairment
    random: random.Random
    stats: Stats = field(default_factory=Stats)
    blocked: bool = False

    def decide(self) -> Fate:
        """Draw the fate of the next datagram: always seven figures, whatever is switched on."""
        draw = self.random.random
        loss, duplicate, corrupt, place, reorder, jitter, copy_jitter = (draw() for _ in range(7))
        how = self.impairment
        held = reorder < how.reorder
        delays = [how.delay + held * how.reorder_by + jitter * how.jitter]
        if duplicate < how.duplicate:
            delays.append(how.delay + copy_jitter * how.jitter)
        return Fate(loss < how.loss, place if corrupt < how.corrupt else None, held, tuple(delays))


def flip(data: bytes, place: float) -> bytes:
    """Invert one byte at a share of the length."""
    at = min(int(place * len(data)), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
