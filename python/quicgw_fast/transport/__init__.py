"""QUIC in and out: the seam, what its makers share, and the makers by name (``makers``)."""

from quicgw_fast.transport.balancing import read_scheme
from quicgw_fast.transport.certificates import development_certificate, development_pair, load_identity
from quicgw_fast.transport.dialing import dial
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.limits import TransportLimits
from quicgw_fast.transport.listening import listen
from quicgw_fast.transport.makers import load
from quicgw_fast.transport.observer import Observer
from quicgw_fast.transport.problems import Problem, told_accepted, told_address, told_delay
from quicgw_fast.transport.reset_key import reset_key_for
from quicgw_fast.transport.seam import Connection, ConnectionHandler, HandlerFactory, Listener, ListenerCounters
from quicgw_fast.transport.steering import MOST_SHARING, PortShare, Succeeded, shared_sockets
from quicgw_fast.transport.validity import Validity

__all__ = [
    "MOST_SHARING",
    "ConnectFailed",
    "Connection",
    "ConnectionHandler",
    "HandlerFactory",
    "Listener",
    "ListenerCounters",
    "Observer",
    "PortShare",
    "Problem",
    "Succeeded",
    "TransportLimits",
    "Validity",
    "development_certificate",
    "development_pair",
    "dial",
    "listen",
    "load",
    "load_identity",
    "read_scheme",
    "reset_key_for",
    "shared_sockets",
    "told_accepted",
    "told_address",
    "told_delay",
]
