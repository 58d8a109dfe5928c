"""QUIC in and out: listeners, dialed connections and their limits; the only importer of aioquic."""

from quicgw_fast.transport.certificates import development_certificate, development_pair
from quicgw_fast.transport.connection import Connection
from quicgw_fast.transport.dialer import dial
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.handler import ConnectionHandler, HandlerFactory
from quicgw_fast.transport.limits import TransportLimits
from quicgw_fast.transport.listener import Listener, ListenerCounters
from quicgw_fast.transport.observer import Observer
from quicgw_fast.transport.problems import Problem, told_delay
from quicgw_fast.transport.reset_key import reset_key_for

__all__ = [
    "ConnectFailed",
    "Connection",
    "ConnectionHandler",
    "HandlerFactory",
    "Listener",
    "ListenerCounters",
    "Observer",
    "Problem",
    "TransportLimits",
    "development_certificate",
    "development_pair",
    "dial",
    "reset_key_for",
    "told_delay",
]
