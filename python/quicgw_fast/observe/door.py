"""Counts and logs what happens at the door, before there is a session that could tell."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quicgw_fast.codes import HandshakeFault
from quicgw_fast.observe.repeats import RepeatLog
from quicgw_fast.rates import address_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from quicgw_fast.observe.counters import Counters

_log = logging.getLogger("quicgw.door")


class Door:
    """The observer of the listener; at most a line a minute for each event and address."""

    def __init__(self, counters: Counters, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._clock = clock
        self._repeats = RepeatLog(_log)

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str, /) -> None:
        """Count a failed handshake by its cause; only one that the client gave up is no reason to warn."""
        self._counters.add(
            {
                HandshakeFault.ALPN: "handshakes_failed_alpn",
                HandshakeFault.LEFT: "handshakes_failed_left",
                HandshakeFault.PROTOCOL: "handshakes_failed_protocol",
                HandshakeFault.TIMEOUT: "handshakes_failed_timeout",
                HandshakeFault.TLS: "handshakes_failed_tls",
            }[fault]
        )
        level = logging.INFO if fault is HandshakeFault.LEFT else logging.WARNING
        fields = {"peer": peer, "cause": fault.value, "reason": reason}
        self._repeats.add(level, "handshake failed", f"{fault.value} {address_group(peer)}", self._clock(), fields)

    def connection_refused(self, peer: str, reason: str, /) -> None:
        """Count a client that was turned away; one subject for all, as the reason is ours and not theirs."""
        self._counters.add("connections_refused")
        fields = {"peer": peer, "reason": reason}
        self._repeats.add(logging.WARNING, "connection refused", reason, self._clock(), fields)

    def peer_throttled(self, peer: str, /) -> None:
        """Count a connection whose packets are dropped because it uses too much processor time."""
        self._counters.add("peers_throttled")
        fields = {"peer": peer, "reason": "its packets cost more processor time than they may"}
        self._repeats.add(logging.WARNING, "peer throttled", address_group(peer), self._clock(), fields)

    def flush(self, now: float) -> None:
        """Write what is unsaid and due; called now and then."""
        self._repeats.flush(now)
