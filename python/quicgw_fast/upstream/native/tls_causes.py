"""Why a TLS handshake came to nothing: OpenSSL's numbers and names, in the words that all makers have."""

from __future__ import annotations

import ssl
from typing import Final

from quicgw_fast.upstream.causes import (
    BAD_TLS,
    EXPIRED,
    NO_ANSWER,
    NO_TLS,
    NOT_TRUSTED,
    NOT_YET_VALID,
    OTHER_NAME,
    REFUSED_TLS,
)

# What is wrong with a certificate, X509_V_ERR_… of OpenSSL; for any that has anything else, nobody vouches.
_OF_CERTIFICATE: Final = {9: NOT_YET_VALID, 10: EXPIRED, 62: OTHER_NAME, 64: OTHER_NAME}
# What OpenSSL says to bytes that are no TLS record, the first of HTTP/2 among them.
_NO_RECORD: Final = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


def tls_cause_of(error: OSError) -> str:
    """Return why a handshake failed: a sentence of ``upstream.causes``."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _OF_CERTIFICATE.get(error.verify_code, NOT_TRUSTED)
    if isinstance(error, ConnectionAbortedError):  # as the loop calls it when its patience is over
        return NO_ANSWER
    reason = getattr(error, "reason", None) or ""
    if reason in _NO_RECORD:
        return NO_TLS
    # An alert, a reset, or an end: the service has seen something that it did not like.
    ended = isinstance(error, ConnectionError | ssl.SSLEOFError) or "ALERT" in reason
    return REFUSED_TLS if ended else BAD_TLS
