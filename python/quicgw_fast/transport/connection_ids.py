"""What connections are called by: ids that lead to their process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.transport.packets import CID_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class ConnectionIds:
    """What makes the ids of an endpoint."""

    make: Callable[[], bytes]
    """Makes one; no two are the same, and none can be guessed from others."""
    length: int
    """Bytes of each: a short header does not tell it (RFC 9000 §17.3.1)."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Which ids lead to one of several processes: their first byte, divided by ``of``, leaves ``index``."""

    index: int = 0
    of: int = 1

    def among(self, values: range) -> bytes:
        """Return those of the values of the first byte that lead there."""
        return bytes(value for value in values if value % self.of == self.index)


ALONE = Lane()
"""Of a process that shares its port with no other: all."""


def random_ids(lane: Lane = ALONE) -> ConnectionIds:
    """Return ids that say nothing but which of several processes they lead to."""
    return ConnectionIds(partial(_beginning, lane.among(range(256)), CID_LENGTH), CID_LENGTH)


def _beginning(begins: bytes, length: int) -> bytes:
    """Return so many random bytes, of which the first is one of at most 256 values."""
    drawn = os.urandom(length)
    at = drawn[0] % len(begins)
    return begins[at : at + 1] + drawn[1:]
