"""An authority of one's own, and what it signs: for development, and for networks in which nobody else is asked."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quicgw_fast.errors import StartupError
from quicgw_fast.transport.certificates import Identity, general_name, load_identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes

EARLIER = datetime.timedelta(hours=1)
"""How long before now a certificate begins: clocks differ."""
_NO_USAGE = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


@dataclass(frozen=True, slots=True)
class IssuedPair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes
    not_after: datetime.datetime


class OwnAuthority:
    """Signs certificates of servers and of clients."""

    def __init__(self, certificate: x509.Certificate, key: CertificateIssuerPrivateKeyTypes) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def make(cls, days: int) -> tuple[Self, IssuedPair]:
        """Make a new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _called("quicgw development authority")
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(subject, subject, key, now, now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(**{**_NO_USAGE, "key_cert_sign": True, "crl_sign": True}), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, SHA256())
        )
        return cls(certificate, key), _pair(certificate, key)

    @classmethod
    def load(cls, certificate: Path, key: Path, now: datetime.datetime) -> Self:
        """Read one. Raises StartupError for a pair that does not fit together, or that may sign nothing."""
        identity = load_identity(certificate, key)
        if not _may_sign(identity):
            told = "is none of an authority (basicConstraints): a server's cannot sign others"
            raise StartupError(f"the certificate in {certificate} {told}; quicgw gencert without --ca makes one")
        if identity.certificate.not_valid_after_utc <= now:
            ended = f"{identity.certificate.not_valid_after_utc:%Y-%m-%d}"
            raise StartupError(f"the authority in {certificate} expired on {ended}: make another one")
        return cls(identity.certificate, cast("CertificateIssuerPrivateKeyTypes", identity.private_key))

    def issue(self, common_name: str, names: Sequence[str], days: int, *, client: bool) -> IssuedPair:
        """Sign a certificate for a server that is reached by ``names``, or for a client; never beyond its own end."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        ends = min(now + datetime.timedelta(days=days), self._certificate.not_valid_after_utc)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._certificate.public_key())  # type: ignore[arg-type]
        builder = (
            _builder(_called(common_name), self._certificate.subject, key, now, ends)
            .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**{**_NO_USAGE, "digital_signature": True}), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )
        edwards = isinstance(self._key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        return _pair(builder.sign(self._key, None if edwards else SHA256()), key)


def _may_sign(identity: Identity) -> bool:
    try:
        return identity.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(ends)
    )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pair(certificate: x509.Certificate, key: PrivateKeyTypes) -> IssuedPair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return IssuedPair(certificate.public_bytes(Encoding.PEM), private, certificate.not_valid_after_utc)
