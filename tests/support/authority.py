"""A certificate authority of a test, and certificates of it."""

from __future__ import annotations

import datetime
import ipaddress
from typing import TYPE_CHECKING

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """One authority; ``pem`` is its certificate."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        built = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self.pem = _pem(built.sign(self._key, hashes.SHA256()))

    def write(self, folder: Path) -> Path:
        """Write the certificate of the authority."""
        path = folder / "ca.pem"
        path.write_bytes(self.pem)
        return path

    def server_files(self, folder: Path) -> dict[str, Path]:
        """Write a certificate for this machine and its key, under the names of the settings."""
        cert, key = self._issue("localhost")
        paths = {"cert": folder / "control.pem", "key": folder / "control.key"}
        paths["cert"].write_bytes(cert)
        paths["key"].write_bytes(key)
        paths["key"].chmod(0o600)
        return paths

    def client(self, name: str) -> dict[str, bytes]:
        """A certificate for a client, and its key."""
        cert, key = self._issue(name)
        return {"cert": cert, "key": key}

    def service(
        self, name: str = "localhost", *, clients: Authority | None = None, days: tuple[float, float] = (-1, 30)
    ) -> grpc.ServerCredentials:
        """What a gRPC server adds its port with: a certificate for this machine under that name, valid for those days.

        With ``clients`` it asks for a certificate of theirs.
        """
        cert, key = self._issue(name, days)
        ca = None if clients is None else clients.pem
        return grpc.ssl_server_credentials([(key, cert)], ca, clients is not None)

    def _issue(self, name: str, days: tuple[float, float] = (-1, 30)) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        built = self._builder(_named(name), key, days).add_extension(x509.SubjectAlternativeName(names), critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _pem(built.sign(self._key, hashes.SHA256())), private

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[float, float] = (-1, 30)
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
