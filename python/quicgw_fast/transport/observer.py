"""Who is told what happens at the door: what never becomes a connection leaves a trace, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quicgw_fast.codes import HandshakeFault


class Observer(Protocol):
    """Is told by a listener. ``peer`` is ``host:port``, where the packets came from; both texts are safe to log."""

    def handshake_failed(self, fault: HandshakeFault, peer: str, reason: str, /) -> None:
        """A handshake ended before it was complete. Its address need not be the sender's."""

    def connection_refused(self, peer: str, reason: str, /) -> None:
        """A client was turned away, as the gateway is full or stops; ``reason`` is the phrase it was told."""

    def peer_throttled(self, peer: str, /) -> None:
        """Packets of a connection are dropped unread: it uses more time than it may. Told once per connection."""
