"""TLS of the gRPC port."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.config import load_authorities, load_pair, read_pem, warn_if_exposed

if TYPE_CHECKING:
    from quicgw_fast.config import ControlConfig


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM, as read."""

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    """Authorities of the certificates that clients need; None asks for none."""


def read_tls(config: ControlConfig) -> TlsFiles | None:
    """Return what ``control.cert``, ``.key`` and ``.client_ca`` name, None without them.

    Raises SettingError for what cannot be read or does not go together.
    """
    if config.cert is None or config.key is None:
        return None
    cert, key = read_pem(config.cert, "control", "cert"), read_pem(config.key, "control", "key")
    ca = None if config.client_ca is None else read_pem(config.client_ca, "control", "client_ca")
    warn_if_exposed(config.key, "control.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, "control", config.cert, config.key)
    if ca is not None:
        load_authorities(context, ca, "control", "client_ca")
    return TlsFiles(cert, key, ca)


class ServerTls:
    """What each handshake is answered with; it may be replaced while the port is open."""

    def __init__(self, files: TlsFiles) -> None:
        self._now = files

    @property
    def mutual(self) -> bool:
        """Whether clients need a certificate."""
        return self._now.client_ca is not None

    def replace(self, files: TlsFiles) -> None:
        """Answer handshakes with these files from now on. Connections that there are stay."""
        self._now = files

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a gRPC server adds its port with."""
        return grpc.dynamic_ssl_server_credentials(self._configuration(), self._configuration, self.mutual)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        files = self._now
        return grpc.ssl_server_certificate_configuration([(files.key, files.cert)], files.client_ca)
