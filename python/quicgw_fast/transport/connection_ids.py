"""What connections are called by: ids that lead to their process and, where a balancer reads them, to their server."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quicgw_fast.transport.packets import CID_LENGTH
from quicgw_fast.transport.quic_lb import KEY_LENGTH, UNROUTABLE, Permutation, QuicLb, first_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("quicgw.transport")


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


def routable_ids(scheme: QuicLb, lane: Lane = ALONE) -> ConnectionIds:
    """Return ids by which a balancer finds this server, and the server the process.

    The process shows in the five bits of the first byte that the draft leaves to a server, in which its ids could have
    told their length instead. Of up to 32 processes each has some of their values.
    """
    return ConnectionIds(_RoutableIds(scheme, lane).make, scheme.length)


def ids_of(scheme: QuicLb | None, lane: Lane) -> ConnectionIds:
    """Return those of a configuration of QUIC-LB, or without one random ones."""
    return random_ids(lane) if scheme is None else routable_ids(scheme, lane)


class _RoutableIds:
    """Counts nonces, so that none comes twice, from a place on that nobody can guess (Connection ID Entropy).

    Processes with one server id count in steps of as many as there are. Where nothing is encrypted the nonce is what
    the count is under a key that nobody else has: it shows neither what was issued before nor how much.
    """

    def __init__(self, scheme: QuicLb, lane: Lane) -> None:
        self._scheme = scheme
        self._lane = lane
        self._begins = lane.among(first_bytes(scheme.config_id))
        self._unroutable = lane.among(first_bytes(UNROUTABLE))
        self._numbers = self._left = 256**scheme.nonce_length // lane.of
        self._next = secrets.randbelow(self._numbers)
        self._hidden = Permutation(os.urandom(KEY_LENGTH), scheme.nonce_length) if scheme.key is None else None

    def make(self) -> bytes:
        if self._left == 0:
            return _beginning(self._unroutable, self._scheme.length)
        nonce = (self._next * self._lane.of + self._lane.index).to_bytes(self._scheme.nonce_length, "big")
        if self._hidden is not None:
            nonce = self._hidden.encrypt(nonce)
        self._next = (self._next + 1) % self._numbers
        self._left -= 1
        if self._left == 0:
            _log.error("nonces used up", extra=_USED_UP)
        return self._scheme.encode(_beginning(self._begins, 1), nonce)


_USED_UP = {
    "effect": "new connection ids name no server (configuration id 7): clients whose address changes are lost",
    "remedy": "give balancers and gateways another quic_lb.config_id with another key, and quicgw upgrade",
}


def _beginning(begins: bytes, length: int) -> bytes:
    """Return so many random bytes, of which the first is one of at most 256 values."""
    drawn = os.urandom(length)
    at = drawn[0] % len(begins)
    return begins[at : at + 1] + drawn[1:]
