"""Ways past the seam, for tests of what lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.transport.aioquic import AioquicListener
from quicgw_fast.transport.aioquic.connection import AioquicConnection

if TYPE_CHECKING:
    from quicgw_fast.transport import Connection, Listener
    from quicgw_fast.transport.aioquic.core import GatewayQuic


def inside(listener: Listener) -> AioquicListener:
    """The listener as what it is."""
    assert isinstance(listener, AioquicListener)
    return listener


def core_of(connection: Connection) -> GatewayQuic:
    """The state machine of a connection."""
    assert isinstance(connection, AioquicConnection)
    return connection.core


def of_aioquic(connection: Connection) -> AioquicConnection:
    """The connection as what it is."""
    assert isinstance(connection, AioquicConnection)
    return connection
