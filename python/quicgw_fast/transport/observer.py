"""Who is told what happens at the door: what never becomes a connection leaves a trace, too."""

from __future__ import annotations

from dataclasses import dataclass
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


class Nobody:
    """The observer of a listener that was given none."""

    def handshake_failed(self, _fault: HandshakeFault, _peer: str, _reason: str, /) -> None:
        """Say nothing."""

    def connection_refused(self, _peer: str, _reason: str, /) -> None:
        """Say nothing."""

    def peer_throttled(self, _peer: str, /) -> None:
        """Say nothing."""


@dataclass(slots=True)
class ListenerCounters:
    """What happened at the door since the start."""

    accepted: int = 0
    established: int = 0
    failed: int = 0
    """Handshakes that ended before they were complete."""
    refused: int = 0
    """Turned away with a reason, as the gateway was full or stopping."""
    retries: int = 0
    invalid_tokens: int = 0
    noise: int = 0
    """Initials that did not authenticate; nothing was built for them."""
    unread: int = 0
    """Datagrams of connections, dropped because their peer used more than it may."""
    dropped: int = 0
    """Datagrams without a connection that were not answered, noise included."""
    version_negotiations: int = 0
    stateless_resets: int = 0
