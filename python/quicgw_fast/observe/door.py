"""Counts and logs what happens at the door, before there is a session that could tell."""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.addresses import address_group
from quicgw_fast.codes import HandshakeFault
from quicgw_fast.observe.buffers import BufferKind, Filling, register_buffer
from quicgw_fast.observe.metrics import Metrics, Unit
from quicgw_fast.observe.repeats import RepeatLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance

_log = logging.getLogger("quicgw.door")


class Listening(Protocol):
    """What there is to see of a listener."""

    @property
    def counters(self) -> DataclassInstance:
        """What happened so far: whole numbers that only grow, the ``metadata`` of each with its ``help``."""

    @property
    def connections(self) -> int:
        """Established connections that are not closed."""

    @property
    def half_open(self) -> int:
        """Handshakes under way."""

    @property
    def unacknowledged(self) -> int:
        """Bytes that all peers together have not acknowledged."""

    @property
    def unacknowledged_limit(self) -> int:
        """Bytes that they may leave unacknowledged together."""

    @property
    def unacknowledged_most(self) -> int:
        """Bytes that the one with most of them has not acknowledged."""

    @property
    def high_water(self) -> int:
        """Bytes of one peer above which nothing more is given to it."""

    @property
    def given_up(self) -> int:
        """Connections that were closed because those were too many."""


def register_listener(metrics: Metrics, listener: Listening, *, largest_step: int) -> None:
    """Have the numbers of a listener read: the transport knows no metrics.

    ``largest_step`` is how many bytes may be given to a connection at once, while it is below its high water mark.
    """
    of_all = Filling(lambda: listener.unacknowledged, lambda: listener.unacknowledged_limit)
    of_one = Filling(lambda: listener.unacknowledged_most, lambda: listener.high_water + largest_step)
    register_buffer(metrics, BufferKind.UNACKNOWLEDGED, of_all, of_one)
    metrics.gauge("connections_open", "Connections that are established", lambda: listener.connections)
    metrics.gauge("transport_half_open", "Handshakes under way", lambda: listener.half_open)
    metrics.gauge(
        "transport_unacknowledged",
        "What was written to all clients and their QUIC has not acknowledged",
        lambda: listener.unacknowledged,
        Unit.BYTES,
    )
    metrics.total(
        "transport_given_up",
        "Connections that were closed, as too much was not acknowledged in all",
        lambda: listener.given_up,
    )
    for counter in fields(listener.counters):
        read = partial(_read, listener, counter.name)
        metrics.total(f"transport_{counter.name}", counter.metadata["help"], read)


def _read(listener: Listening, name: str) -> int:
    count: int = getattr(listener.counters, name)
    return count


class Door:
    """The observer of the listener; at most a line a minute for each event and address."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._count_failed = metrics.counters(
            "handshakes_failed",
            "Handshakes that failed, by their cause",
            "cause",
            [fault.value for fault in HandshakeFault],
        )
        self._count_refused = metrics.counter(
            "connections_refused",
            "Clients that were turned away with a reason and logged: transport_refused, seen from the log",
        )
        self._count_throttled = metrics.counter(
            "peers_throttled",
            "Connections whose packets were dropped because they cost more processor time than they may",
        )
        self._clock = clock
        self._repeats = RepeatLog(_log)

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str, /) -> None:
        """Count a failed handshake by its cause; only one that the client gave up is no reason to warn."""
        self._count_failed[fault.value].value += 1
        level = logging.INFO if fault is HandshakeFault.LEFT else logging.WARNING
        fields = {"peer": peer, "cause": fault.value, "reason": reason}
        self._repeats.add(level, "handshake failed", f"{fault.value} {address_group(peer)}", self._clock(), fields)

    def connection_refused(self, peer: str, reason: str, /) -> None:
        """Count a client that was turned away; one subject for all, as the reason is ours and not theirs."""
        self._count_refused.value += 1
        fields = {"peer": peer, "reason": reason}
        self._repeats.add(logging.WARNING, "connection refused", reason, self._clock(), fields)

    def peer_throttled(self, peer: str, /) -> None:
        """Count a connection whose packets are dropped because it uses too much processor time."""
        self._count_throttled.value += 1
        fields = {"peer": peer, "reason": "its packets cost more processor time than they may"}
        self._repeats.add(logging.WARNING, "peer throttled", address_group(peer), self._clock(), fields)

    def flush(self, now: float) -> None:
        """Write what is unsaid and due; called now and then."""
        self._repeats.flush(now)
