"""QUIC by quinn, compiled: a ``seam.TransportMaker`` whose state machines live in ``rust/transport``."""

from quicgw_fast.transport.quinn.dialer import connect
from quicgw_fast.transport.quinn.listener import QuinnListener

NAME = "quinn"
listen = QuinnListener

__all__ = ["NAME", "connect", "listen"]
