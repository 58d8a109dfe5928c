"""What a gRPC failure means, in words that say what to look at: gRPC itself says UNAVAILABLE to nearly everything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.upstream.errors import TOO_SLOW

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING_LISTENS = "nothing listens there"
NO_GRPC = "what listens there does not speak gRPC"
NO_ANSWER = "no answer from there"
UNKNOWN_HOST = "the host is unknown"
BROKE_OFF = "the connection broke off"
NO_SERVICE = "it speaks gRPC but does not offer this service"

# Parts of gRPC's own words (of 1.85; a test provokes each of them), the more telling ones first.
_SIGNS: Sequence[tuple[str, str]] = (
    ("Connection refused", NOTHING_LISTENS),
    ("lookup failed", UNKNOWN_HOST),
    ("errors resolving", UNKNOWN_HOST),
    ("Failed parsing HTTP/2", NO_GRPC),
    ("before receiving SETTINGS", NO_GRPC),
    ("handshaker shutdown", NO_ANSWER),
    ("imed out", NO_ANSWER),
    ("unreachable", NO_ANSWER),
    ("No route to host", NO_ANSWER),
    ("reset by peer", BROKE_OFF),
    ("Broken pipe", BROKE_OFF),
    ("ocket closed", BROKE_OFF),
    ("GOAWAY", BROKE_OFF),
)
_BY_STATUS = {
    grpc.StatusCode.UNIMPLEMENTED: NO_SERVICE,
    grpc.StatusCode.DEADLINE_EXCEEDED: TOO_SLOW,
}
_OVER_LIMIT = re.compile(r"\(CLIENT: Received message larger than max \((\d+) vs")


def cause_of(status: grpc.StatusCode, details: str | None) -> str:
    """Return why a call or an attempt to connect failed: a sentence from above, or what the service said."""
    if status is grpc.StatusCode.UNAVAILABLE:
        for sign, cause in _SIGNS:
            if sign in (details or ""):
                return cause
    return _BY_STATUS.get(status, f"it answered with {status.name}")


def size_over_limit(status: grpc.StatusCode, details: str | None) -> int | None:
    """Return the bytes of an answer that our own limit refused, None for every other failure."""
    found = _OVER_LIMIT.search(details or "") if status is grpc.StatusCode.RESOURCE_EXHAUSTED else None
    return int(found[1]) if found else None
