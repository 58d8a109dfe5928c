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
NO_TLS = "it does not speak TLS"
NOT_TRUSTED = "its certificate is of no trusted authority"
OTHER_NAME = "its certificate is for another name"
EXPIRED = "its certificate has expired"
NOT_YET_VALID = "its certificate is not valid yet"
REFUSED_TLS = "it broke off the TLS handshake: it may want a certificate, or another one"
BAD_TLS = "the TLS handshake failed"

_OF_STATUS = {"UNIMPLEMENTED": NO_SERVICE, DEADLINE: TOO_SLOW}


def of_status(status: str) -> str:
    """Return what it means that a service answered with a gRPC status, given by name."""
    return _OF_STATUS.get(status, f"it answered with {status}")
