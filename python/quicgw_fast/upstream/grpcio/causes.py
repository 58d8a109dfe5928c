"""Which failure it was: gRPC itself says UNAVAILABLE to nearly everything, and the rest in words of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.upstream.causes import (
    BAD_TLS,
    BROKE_OFF,
    EXPIRED,
    NO_ANSWER,
    NO_GRPC,
    NO_TLS,
    NOT_TRUSTED,
    NOT_YET_VALID,
    NOTHING_LISTENS,
    OTHER_NAME,
    REFUSED_TLS,
    UNKNOWN_HOST,
    of_status,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

# Parts of gRPC's own words (of 1.85; a test provokes each of them), the more telling ones first.
_SIGNS: Sequence[tuple[str, str]] = (
    ("Connection refused", NOTHING_LISTENS),
    ("lookup failed", UNKNOWN_HOST),
    ("errors resolving", UNKNOWN_HOST),
    ("certificate has expired", EXPIRED),
    ("certificate is not yet valid", NOT_YET_VALID),
    ("Hostname Verification Check failed", OTHER_NAME),
    ("CERTIFICATE_VERIFY_FAILED", NOT_TRUSTED),
    ("WRONG_VERSION_NUMBER", NO_TLS),
    ("SSL_ERROR_SSL", BAD_TLS),
    ("Failed parsing HTTP/2", NO_GRPC),
    ("before receiving SETTINGS", NO_GRPC),
    ("handshaker shutdown", NO_ANSWER),
    ("Handshake read failed (Endpoint closing)", NO_ANSWER),
    ("imed out", NO_ANSWER),
    ("unreachable", NO_ANSWER),
    ("No route to host", NO_ANSWER),
    ("reset by peer", BROKE_OFF),
    ("Broken pipe", BROKE_OFF),
    ("ocket closed", BROKE_OFF),
    ("GOAWAY", BROKE_OFF),
)
_NO_CONNECTION = "failed to connect to all addresses; last error: "
_OVER_LIMIT = re.compile(r"\(CLIENT: Received message larger than max \((\d+) vs")


def cause_of(status: grpc.StatusCode, details: str | None, *, tls: bool = False) -> str:
    """Return why a call or an attempt to connect, over ``tls`` or not, failed: a sentence of ``upstream.causes``."""
    if status is grpc.StatusCode.UNAVAILABLE:
        said = details or ""
        for sign, cause in _SIGNS:
            if sign in said:
                # In TLS 1.3 a client's handshake is complete before its certificate was looked at.
                refused = tls and cause is BROKE_OFF and said.startswith(_NO_CONNECTION)
                return REFUSED_TLS if refused else cause
    return of_status(status.name)


def size_over_limit(status: grpc.StatusCode, details: str | None) -> int | None:
    """Return the bytes of an answer that our own limit refused, None for every other failure."""
    found = _OVER_LIMIT.search(details or "") if status is grpc.StatusCode.RESOURCE_EXHAUSTED else None
    return int(found[1]) if found else None


def never_sent(status: grpc.StatusCode, details: str | None, address: str) -> bool:
    """Whether a call failed for want of a connection to ``address``.

    A service may pass on the failure of a call of its own, in the same words and with the same status: so the address
    that could not be reached must be the one that was called.
    """
    if status is not grpc.StatusCode.UNAVAILABLE or details is None:
        return False
    if details.startswith(_NO_CONNECTION):
        return f":{address}: " in details.replace("%5B", "[").replace("%5D", "]")
    return details.startswith(f"errors resolving {address}: ")
