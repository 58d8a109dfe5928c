"""Why the certificate of a server was not accepted: by the kinds of errors behind aioquic's alert, not by their words.

TLS has one alert for most of it. The error that aioquic closes with carries the alert as its context, and that the
error of the library that looked at the certificate: pyOpenSSL for the chain, service-identity for the name.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from aioquic.tls import AlertCertificateExpired
from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName
from OpenSSL.crypto import X509StoreContextError
from service_identity import VerificationError

from quicgw_fast.transport.termination import Finding

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnectionError
    from cryptography.x509 import Certificate

CHAIN = {
    9: Finding.NOT_YET_VALID,
    10: Finding.EXPIRED,
    2: Finding.UNKNOWN_AUTHORITY,  # the issuer is not there
    18: Finding.UNKNOWN_AUTHORITY,  # it is self-signed
    19: Finding.UNKNOWN_AUTHORITY,  # self-signed further up in the chain
    20: Finding.UNKNOWN_AUTHORITY,  # the issuer is not there locally
    21: Finding.UNKNOWN_AUTHORITY,  # nothing vouches for the first certificate
}
"""OpenSSL's codes of what is wrong with a chain (``X509_V_ERR_…`` in its x509_vfy.h)."""


def finding_of(error: QuicConnectionError, certificate: Certificate) -> tuple[Finding | None, str]:
    """Tell what was found where aioquic ends a handshake with ``error``, and the reason that goes with it."""
    reason = error.reason_phrase
    cause = error.__context__
    while cause is not None:
        if isinstance(cause, AlertCertificateExpired):
            # One alert for both ends of the validity.
            early = datetime.datetime.now(datetime.UTC) < certificate.not_valid_before_utc
            return Finding.NOT_YET_VALID if early else Finding.EXPIRED, reason
        if isinstance(cause, X509StoreContextError):
            return CHAIN.get(cause.errors[0]), reason
        if isinstance(cause, VerificationError):
            return Finding.ANOTHER_NAME, f"but for {', '.join(_names(certificate)) or 'no host at all'}"
        cause = cause.__context__
    return None, reason


def _names(certificate: Certificate) -> list[str]:
    """The hosts that it is for. It has such names: without any, the name is not even compared."""
    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    return [*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress))]
