"""TLS certificates: the server's, checked before it starts, and a self-signed one for development."""

from __future__ import annotations

import datetime
import os
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quicgw_fast.errors import StartupError
from quicgw_fast.files import read_small, warn_if_exposed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

MAX_CHAIN = 12_000
"""Bytes of certificates at most: the handshake's flight has to fit into 16 KiB, aioquic's buffer."""


class Identity(NamedTuple):
    """A certificate with the rest of its chain and its private key."""

    certificate: x509.Certificate
    chain: list[x509.Certificate]
    private_key: PrivateKeyTypes


def load_identity(certificate: Path, private_key: Path | bytes) -> Identity:
    """Read and check a PEM certificate chain and its key; StartupError says what is wrong and what to do.

    A key that must not lie in a file is given as its PEM bytes.
    """
    chain = _load_chain(certificate)
    key = _load_key(private_key)
    where = private_key if isinstance(private_key, Path) else "memory"
    if not _usable(key):
        raise StartupError(
            f"the private key in {where} is of a kind that QUIC cannot use: make an Ed25519, P-256, P-384 or RSA key"
        )
    if _raw(chain[0].public_key()) != _raw(key.public_key()):
        raise StartupError(
            f"the private key in {where} does not belong to the first certificate in {certificate}: "
            "give the pair that was made together"
        )
    if sum(len(one.public_bytes(Encoding.DER)) for one in chain) > MAX_CHAIN:
        raise StartupError(
            f"the certificates in {certificate} are longer than {MAX_CHAIN} bytes together: "
            "leave only the server's certificate and its intermediates in the file"
        )
    if isinstance(private_key, Path):
        warn_if_exposed(private_key, "tls.key")
    return Identity(chain[0], chain[1:], key)


def load_authorities(ca: Path) -> bytes:
    """Read a PEM file of trusted certificates, and return them as PEM alone.

    Raises OSError or ValueError.
    """
    certificates = _certificates(read_small(ca))
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def development_certificate(
    folder: Path, names: Sequence[str] = ("localhost", "127.0.0.1", "::1"), days: int = 365
) -> tuple[Path, Path]:
    """Make a self-signed certificate in ``folder``; return its and its key's PEM path.

    The key's file can be read by its owner only. Files of an earlier call are replaced.
    """
    certificate, key = development_pair(names, days)
    folder.mkdir(parents=True, exist_ok=True)
    certificate_path, key_path = folder / "dev-cert.pem", folder / "dev-key.pem"
    certificate_path.write_bytes(certificate)
    key_path.unlink(missing_ok=True)
    descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return certificate_path, key_path


def development_pair(names: Sequence[str] = ("localhost", "127.0.0.1", "::1"), days: int = 365) -> tuple[bytes, bytes]:
    """Make a self-signed P-256 certificate for ``names``; return it and its private key, both PEM.

    It is its own authority, so that clients can be given it as their CA file.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quicgw development")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def _load_chain(path: Path) -> list[x509.Certificate]:
    try:
        return _certificates(read_small(path))
    except OSError as error:
        raise StartupError(
            f"the certificate {path} cannot be read ({error.strerror}): check tls.cert and the file's permissions"
        ) from error
    except ValueError as error:
        raise StartupError(
            f"{path} holds no readable PEM certificate ({error}): give the server's certificate as PEM"
        ) from error


def _certificates(pem: bytes) -> list[x509.Certificate]:
    """Read PEM; ValueError says what there is instead, where the library points at a page of its own."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            raise ValueError("a certificate in it is damaged") from error
        if b"PRIVATE KEY-----" in pem:
            raise ValueError("it is a private key") from error
        raise ValueError("nothing in it begins with -----BEGIN CERTIFICATE-----") from error


def _load_key(source: Path | bytes) -> PrivateKeyTypes:
    if isinstance(source, bytes):
        return load_pem_private_key(source, password=None)
    path = source
    try:
        return load_pem_private_key(read_small(path), password=None)
    except OSError as error:
        raise StartupError(
            f"the private key {path} cannot be read ({error.strerror}): check tls.key and the file's permissions"
        ) from error
    except TypeError as error:
        raise StartupError(
            f"the private key {path} is encrypted: give it without a password, readable by its owner only"
        ) from error
    except ValueError as error:
        raise StartupError(
            f"{path} holds no readable PEM private key: give the key that belongs to the certificate"
        ) from error


def _usable(key: PrivateKeyTypes) -> bool:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    return isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)


def _raw(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def general_name(name: str) -> x509.GeneralName:
    """Return a host name or an address as certificates have it."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
