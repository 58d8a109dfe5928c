"""Who is told what happens at the door: what never becomes a connection leaves a trace, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quicgw_fast.codes import HandshakeFault

if TYPE_CHECKING:
    from quicgw_fast.transport.aioquic_private import Termination

TLS_ALERTS = range(0x100, 0x200)
"""QUIC's error codes for TLS alerts (RFC 9001 §4.8)."""

NO_APPLICATION_PROTOCOL = 0x100 + 120


class Observer(Protocol):
    """Is told by a listener. ``peer`` is ``host:port``, where the packets came from; both texts are safe to log."""

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str, /) -> None:
        """A handshake ended before it was complete. Its address need not be the sender's."""

    def connection_refused(self, peer: str, reason: str, /) -> None:
        """A client was turned away, as the gateway is full or stops; ``reason`` is the phrase it was told."""

    def peer_throttled(self, peer: str, /) -> None:
        """Packets of a connection are dropped unread: it uses more time than it may. Told once per connection."""


class Nobody:
    """The observer of a listener that was given none."""

    def handshake_failed(self, _fault: HandshakeFault, _peer: str, _reason: str, /) -> None:
        """Say nothing."""

    def connection_refused(self, _peer: str, _reason: str, /) -> None:
        """Say nothing."""

    def peer_throttled(self, _peer: str, /) -> None:
        """Say nothing."""


def fault_of(ended: Termination | None) -> HandshakeFault:
    """Tell why a handshake failed; aioquic has not ended one that we gave up ourselves."""
    if ended is None:
        return HandshakeFault.TIMEOUT
    if ended.frame_type is not None:
        if ended.error_code == NO_APPLICATION_PROTOCOL:
            return HandshakeFault.ALPN
        if ended.error_code in TLS_ALERTS:
            return HandshakeFault.TLS
    if ended.by_peer:
        return HandshakeFault.LEFT
    return HandshakeFault.PROTOCOL
