"""QUIC by quinn, compiled: a ``seam.TransportMaker`` whose state machines live in ``rust/transport``."""

from quicgw_fast.transport.packets import VERSION_1
from quicgw_fast.transport.quinn.dialer import connect
from quicgw_fast.transport.quinn.listener import QuinnListener

NAME = "quinn"
VERSIONS = (VERSION_1,)
listen = QuinnListener

__all__ = ["NAME", "VERSIONS", "connect", "listen"]
