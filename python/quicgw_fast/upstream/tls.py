"""TLS towards services: whom the gateway believes, and what it shows; the same for every maker of calls.

With ``upstream.ca`` all services are called over TLS: an address is one connection whichever services it has, and who
registers itself must not choose whether it has to prove who it is. So there is no fallback, and no address that goes
without.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.config import join_address, load_authorities, load_pair, read_pem, split_address, warn_if_exposed

if TYPE_CHECKING:
    from quicgw_fast.config import UpstreamConfig
    from quicgw_fast.upstream.instance import Instance


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """What connections to services are made with. Two that are equal make the same connections."""

    ca: bytes
    """Authorities, as PEM."""
    cert: bytes | None
    """A certificate chain of the gateway's, likewise."""
    key: bytes | None = field(repr=False)
    server_name: str | None
    """The name in every service's certificate."""
    context: ssl.SSLContext = field(compare=False, repr=False)
    """The same, for who does TLS with OpenSSL."""


def read_upstream_tls(config: UpstreamConfig) -> UpstreamTls | None:
    """Return what ``upstream.ca``, ``.cert`` and ``.key`` name, None where services are called without TLS.

    Raises SettingError for what cannot be read or does not go together.
    """
    if config.ca is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # as HTTP/2 needs it (RFC 9113 §9.2)
    # What is named is believed, also where it is no authority of the first rank: as gRPC's own client has it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    ca, cert, key = read_pem(config.ca, "upstream", "ca"), None, None
    load_authorities(context, ca, "upstream", "ca")
    if config.cert is not None and config.key is not None:
        cert, key = read_pem(config.cert, "upstream", "cert"), read_pem(config.key, "upstream", "key")
        warn_if_exposed(config.key, "upstream.key")
        load_pair(context, "upstream", config.cert, config.key)
    return UpstreamTls(ca, cert, key, config.server_name, context)


def authority_of(instance: Instance, tls: UpstreamTls | None) -> str:
    """What an instance is told to be called by, ``host:port``; over TLS its certificate has to carry that host."""
    if tls is None or tls.server_name is None:
        return instance.authority
    return join_address(tls.server_name, split_address(instance.address)[1])
