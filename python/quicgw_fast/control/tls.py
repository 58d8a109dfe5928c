"""TLS of the gRPC port: the files are read and checked here, as gRPC would take anything and fail in each handshake."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from quicgw_fast.config import read_small, warn_if_exposed
from quicgw_fast.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

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
    cert, key = _read(config.cert, "cert"), _read(config.key, "key")
    ca = None if config.client_ca is None else _read(config.client_ca, "client_ca")
    warn_if_exposed(config.key, "control.key")
    _check(config.cert, config.key, ca)
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


def _read(path: Path, key: str) -> bytes:
    try:
        return read_small(path)
    except OSError as error:
        told = f"control.{key}: cannot read {path}: {error.strerror or error}; give the path of a readable PEM file"
        raise SettingError(("control", key), told) from error


def _check(cert: Path, key: Path, client_ca: bytes | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password of ours OpenSSL would ask whoever sits at the terminal.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        told = f"control.cert, control.key: {cert} and {key} are not a certificate and its key as PEM ({error})"
        raise SettingError(("control", "cert"), told) from error
    if client_ca is None:
        return
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        told = f"control.client_ca: no certificates of authorities as PEM are in that file ({error})"
        raise SettingError(("control", "client_ca"), told) from error
