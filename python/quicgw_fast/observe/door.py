"""Counts and logs what happens at the door, before there is a session that could tell."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.addresses import address_group
from quicgw_fast.codes import HandshakeFault
from quicgw_fast.observe.repeats import RepeatLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe.metrics import Metrics

FAULTS = {
    HandshakeFault.ALPN: "another application protocol",
    HandshakeFault.LEFT: "the client left",
    HandshakeFault.PROTOCOL: "the client broke a rule of QUIC",
    HandshakeFault.TIMEOUT: "the client went silent",
    HandshakeFault.TLS: "a TLS alert, mostly of a client that does not trust the certificate",
}

_log = logging.getLogger("quicgw.door")


class Door:
    """The observer of the listener; at most a line a minute for each event and address."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._count_failed = {
            fault: metrics.counter(f"handshakes_failed_{fault.value}", f"Handshakes that failed: {why}")
            for fault, why in FAULTS.items()
        }
        self._count_refused = metrics.counter(
            "connections_refused", "Clients that were turned away, as the gateway was full or stopping"
        )
        self._count_throttled = metrics.counter(
            "peers_throttled",
            "Connections whose packets were dropped because they cost more processor time than they may",
        )
        self._clock = clock
        self._repeats = RepeatLog(_log)

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str, /) -> None:
        """Count a failed handshake by its cause; only one that the client gave up is no reason to warn."""
        self._count_failed[fault].value += 1
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
