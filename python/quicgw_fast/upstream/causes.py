"""What a failure means, in words that say what to look at; the makers find out which one it was."""

from __future__ import annotations

from quicgw_fast.upstream.errors import DEADLINE, TOO_SLOW

NOTHING_LISTENS = "nothing listens there"
NO_GRPC = "what listens there does not speak gRPC"
NO_ANSWER = "no answer from there"
UNKNOWN_HOST = "the host is unknown"
BROKE_OFF = "the connection broke off"
DO_NOT_LAST = "its connections are over as soon as they come about"
NO_SERVICE = "it speaks gRPC but does not offer this service"
HUNG_UP = "the gateway hung up"

_OF_STATUS = {"UNIMPLEMENTED": NO_SERVICE, DEADLINE: TOO_SLOW}


def of_status(status: str) -> str:
    """Return what it means that a service answered with a gRPC status, given by name."""
    return _OF_STATUS.get(status, f"it answered with {status}")
