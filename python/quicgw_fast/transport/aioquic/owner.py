"""Who makes connections, and is told how they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quicgw_fast.transport.aioquic.connection import AioquicConnection
    from quicgw_fast.transport.seam import ConnectionHandler


class Owner(Protocol):
    """The listener or dialer behind a connection."""

    closing_ptos: float
    """How many PTOs the closing period lasts; a server's SHOULD be 3 (RFC 9000 §10.2)."""

    draining_ptos: float
    """The same for the draining period."""

    longest_period: float
    """Seconds that either period lasts at most."""

    def established(self, connection: AioquicConnection, /) -> ConnectionHandler | None:
        """Give the handler; None when the owner has closed the connection instead."""

    def ended(self, connection: AioquicConnection, code: int, reason: str, /) -> None:
        """The connection is closed for its handler; it may still flush, or be in its closing or draining period."""

    def released(self, connection: AioquicConnection, /) -> None:
        """Nothing of the connection is left in the endpoint."""
