"""Who a connection talks to: the application's handler above it and the owner that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quicgw_fast.transport.connection import Connection


class ConnectionHandler(Protocol):
    """What a connection reports to. All calls come from the event loop's thread and must not block.

    An exception out of ``received`` or ``writable`` closes this connection with INTERNAL and no other.
    """

    def received(self, data: bytes, /) -> None:
        """Take stream bytes, in order; one call may carry what came in several datagrams."""

    def writable(self) -> None:
        """``pending`` fell to the low water mark after having been over the high one."""

    def closed(self, code: int, reason: str, by_peer: bool, /) -> None:
        """The connection is over; called exactly once, and the last call.

        ``code`` is the application error code. Ends without one are mapped: idle timeout → IDLE, a fault of
        the peer's QUIC → PROTOCOL_ERROR, a transport error from the peer or a stateless reset → INTERNAL,
        the end of the peer's stream → NORMAL. ``reason`` is safe to log.
        """


class HandlerFactory(Protocol):
    """Makes the handler of a connection once its handshake is complete and its ALPN agreed."""

    def __call__(self, connection: Connection, /) -> ConnectionHandler:
        """Return the handler; the connection may be used at once."""


class Owner(Protocol):
    """The listener or dialer behind a connection."""

    closing_ptos: float
    """How many PTOs the closing period lasts; a server's SHOULD be 3 (RFC 9000 §10.2)."""

    draining_ptos: float
    """The same for the draining period."""

    longest_farewell: float
    """Seconds that either period lasts at most."""

    def established(self, connection: Connection, /) -> ConnectionHandler | None:
        """Give the handler; None when the owner has closed the connection instead."""

    def ended(self, connection: Connection, code: int, reason: str, /) -> None:
        """The connection is closed for its handler; it may still linger or farewell."""

    def released(self, connection: Connection, /) -> None:
        """Nothing of the connection is left in the endpoint."""
