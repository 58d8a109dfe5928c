"""The client SDK: one object per user of a gateway, that calls, receives, and survives lost connections."""

from quicgw_fast.client.client import Client
from quicgw_fast.client.connecting import connect
from quicgw_fast.client.errors import (
    AlreadyOnline,
    BadRequest,
    CallTimeout,
    ConnectionClosed,
    ConnectionFailed,
    DeadlineExceeded,
    Draining,
    Forbidden,
    Overloaded,
    ProtocolFailure,
    QuicgwClientError,
    RateLimited,
    ReceiveQueueFull,
    ReplyError,
    SessionReset,
    Superseded,
    TooLarge,
    Unauthorized,
    UpstreamError,
)
from quicgw_fast.client.events import State, StateEvent
from quicgw_fast.client.messages import (
    ClientStats,
    GapReport,
    Notify,
    Reply,
    StopReason,
    Ticket,
)
from quicgw_fast.client.observer import ClientObserver
from quicgw_fast.client.options import ReceivePolicy, Reconnect
from quicgw_fast.transport import Problem

__all__ = [
    "AlreadyOnline",
    "BadRequest",
    "CallTimeout",
    "Client",
    "ClientObserver",
    "ClientStats",
    "ConnectionClosed",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Draining",
    "Forbidden",
    "GapReport",
    "Notify",
    "Overloaded",
    "Problem",
    "ProtocolFailure",
    "QuicgwClientError",
    "RateLimited",
    "ReceivePolicy",
    "ReceiveQueueFull",
    "Reconnect",
    "Reply",
    "ReplyError",
    "SessionReset",
    "State",
    "StateEvent",
    "StopReason",
    "Superseded",
    "Ticket",
    "TooLarge",
    "Unauthorized",
    "UpstreamError",
    "connect",
]
