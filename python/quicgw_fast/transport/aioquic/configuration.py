"""aioquic's configuration for either side: only the ALPNs that are given, no tickets, no 0-RTT."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration

from quicgw_fast.transport.packets import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quicgw_fast.transport.certificates import Identity
    from quicgw_fast.transport.limits import TransportLimits
    from quicgw_fast.transport.seam import Trust


def server_configuration(
    identity: Identity, limits: TransportLimits, alpn: Sequence[str], id_length: int
) -> QuicConfiguration:
    """Return the configuration that all connections of a listener share, whose ids have ``id_length`` bytes.

    With an ALPN list given, aioquic refuses clients that offer another one or none. Without a ticket
    handler it issues no tickets, so that there is no 0-RTT data, which could be replayed.
    """
    configuration = _common(limits, alpn, id_length, is_client=False)
    configuration.certificate = identity.certificate
    configuration.certificate_chain = identity.chain
    configuration.private_key = identity.private_key
    return configuration


def client_configuration(
    trust: Trust, limits: TransportLimits, alpn: Sequence[str], id_length: int
) -> QuicConfiguration:
    """Return the configuration of one dialed connection."""
    configuration = _common(limits, alpn, id_length, is_client=True)
    configuration.server_name = trust.server_name
    configuration.cadata = trust.authorities
    configuration.verify_mode = ssl.CERT_NONE if trust.insecure else ssl.CERT_REQUIRED
    return configuration


def _common(limits: TransportLimits, alpn: Sequence[str], id_length: int, *, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=list(alpn),
        connection_id_length=id_length,
        idle_timeout=limits.idle_timeout,
        is_client=is_client,
        max_data=limits.connection_window,
        max_stream_data=limits.stream_window,
        supported_versions=list(VERSIONS),
    )
