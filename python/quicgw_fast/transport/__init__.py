"""QUIC in and out. What every maker of it shares and offers is here; ``aioquic/`` is the one that there is."""

import importlib
from typing import Final, cast

from quicgw_fast.errors import ConfigError
from quicgw_fast.transport.certificates import development_certificate, development_pair
from quicgw_fast.transport.errors import ConnectFailed
from quicgw_fast.transport.limits import TransportLimits
from quicgw_fast.transport.observer import ListenerCounters, Observer
from quicgw_fast.transport.problems import Problem, told_delay
from quicgw_fast.transport.reset_key import reset_key_for
from quicgw_fast.transport.seam import Connection, ConnectionHandler, HandlerFactory, Listener, Transport

MAKERS: Final = {"aioquic": "quicgw_fast.transport.aioquic"}
"""Name to module; another maker is one more line, and passes the same tests."""


def load(name: str) -> Transport:
    """Return the maker of this name. Raises ConfigError for a name that there is not."""
    if name not in MAKERS:
        raise ConfigError(f"the transport {name!r} is unknown; known are {', '.join(MAKERS)}")
    return cast("Transport", importlib.import_module(MAKERS[name]))


_default = load("aioquic")
listen = _default.listen
dial = _default.dial

__all__ = [
    "ConnectFailed",
    "Connection",
    "ConnectionHandler",
    "HandlerFactory",
    "Listener",
    "ListenerCounters",
    "Observer",
    "Problem",
    "Transport",
    "TransportLimits",
    "development_certificate",
    "development_pair",
    "dial",
    "listen",
    "load",
    "reset_key_for",
    "told_delay",
]
