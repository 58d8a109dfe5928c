"""aioquic's configuration for either side: ALPN ``gatesvr`` only, no tickets, no 0-RTT."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration

from quicgw_fast.transport.packets import ALPN, CID_LENGTH, VERSIONS

if TYPE_CHECKING:
    from quicgw_fast.transport.certificates import Identity
    from quicgw_fast.transport.limits import TransportLimits


def server_configuration(identity: Identity, limits: TransportLimits) -> QuicConfiguration:
    """Return the configuration that all connections of a listener share.

    With an ALPN list given, aioquic refuses clients that offer another one or none. Without a ticket
    handler it issues no tickets, so that there is no 0-RTT data, which could be replayed.
    """
    configuration = _common(limits, is_client=False)
    configuration.certificate = identity.certificate
    configuration.certificate_chain = identity.chain
    configuration.private_key = identity.private_key
    return configuration


def client_configuration(
    limits: TransportLimits, *, server_name: str, authorities: bytes | None, insecure: bool
) -> QuicConfiguration:
    """Return the configuration of one dialed connection; ``authorities`` is PEM, None means the public ones."""
    configuration = _common(limits, is_client=True)
    configuration.server_name = server_name
    configuration.cadata = authorities
    configuration.verify_mode = ssl.CERT_NONE if insecure else ssl.CERT_REQUIRED
    return configuration


def _common(limits: TransportLimits, *, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=[ALPN],
        connection_id_length=CID_LENGTH,
        idle_timeout=limits.idle_timeout,
        is_client=is_client,
        max_data=limits.connection_window,
        max_stream_data=limits.stream_window,
        supported_versions=list(VERSIONS),
    )
