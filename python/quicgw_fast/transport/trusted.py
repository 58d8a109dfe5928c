"""Who may vouch for a server, as the compiled makers take it."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from quicgw_fast.transport.seam import Trust

Trusted = tuple[bytes, tuple[int, int] | None]
"""A certificate (DER), and the first and last second since 1970 of one that may be the server's own."""
_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def trusted(trust: Trust) -> list[Trusted] | None:
    """Return who may vouch for the server; None when anybody is trusted.

    One that was named may be the server's own, as it is self-signed: then it is asked when it is valid, too.
    """
    if trust.insecure:
        return None
    if trust.authorities is None:
        return [(ssl.PEM_cert_to_DER_cert(one), None) for one in _PEM.findall(Path(certifi.where()).read_text())]
    return [
        (
            one.public_bytes(Encoding.DER),
            (int(one.not_valid_before_utc.timestamp()), int(one.not_valid_after_utc.timestamp())),
        )
        for one in x509.load_pem_x509_certificates(trust.authorities)
    ]
