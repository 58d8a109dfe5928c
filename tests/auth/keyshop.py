"""Keys in every form that a deployment may have them in, made once for all tests of this folder."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from quicgw_fast.auth import AuthRefused, JwtAuth
from quicgw_fast.config import AuthConfig
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

#: "Now" in every test: wall seconds.
NOW = 1_800_000_000.0
SECRET = b"a secret of more than thirty-two bytes, with spaces"
ASYMMETRIC = ("RS256", "ES256", "EdDSA")
EVERY = ("HS256", *ASYMMETRIC)

_JWK_WRITERS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


@dataclass(frozen=True)
class Pair:
    """A private key as cryptography has it, and its forms on disk."""

    key: Any

    @property
    def private_pem(self) -> bytes:
        made: bytes = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return made

    @property
    def encrypted_pem(self) -> bytes:
        made: bytes = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        return made

    @property
    def public_pem(self) -> bytes:
        made: bytes = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return made

    @property
    def public_der(self) -> bytes:
        made: bytes = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return made

    @property
    def certificate_pem(self) -> bytes:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.test")])
        # Long over: a certificate is only the container of a key here.
        begin = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
        digest = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        builder = x509.CertificateBuilder(
            name, name, self.key.public_key(), 1, begin, begin + datetime.timedelta(days=1)
        )
        return builder.sign(self.key, digest).public_bytes(Encoding.PEM)


def pair(kind: str, number: int = 0) -> Pair:
    """Return key number ``number`` of a kind: one of our algorithms, or a key that is for none of them."""
    return _made(kind, number)


@cache
def _made(kind: str, number: int) -> Pair:
    makers: dict[str, Any] = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
        "Ed448": ed448.Ed448PrivateKey.generate,
    }
    del number  # only part of the cache's key
    return Pair(makers[kind]())


def jwk(algorithm: str, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return the public JWK of a key, with ``more`` members (``None`` takes one away)."""
    if algorithm == "HS256":
        entry: dict[str, Any] = {"kty": "oct", "k": base64url_encode(SECRET + str(number).encode()).decode()}
    else:
        writer = _JWK_WRITERS[algorithm]
        entry = dict(writer.to_jwk(pair(algorithm, number).key.public_key(), as_dict=True))
        entry.pop("key_ops", None)
    return {name: value for name, value in (entry | more).items() if value is not None}


def private_jwk(algorithm: str) -> dict[str, Any]:
    made = dict(_JWK_WRITERS[algorithm].to_jwk(pair(algorithm).key, as_dict=True))
    made.pop("key_ops", None)
    return made


def signing_key(algorithm: str, number: int = 0) -> Any:
    return SECRET + str(number).encode() if algorithm == "HS256" else pair(algorithm, number).key


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; ``None`` takes one away."""
    good = {"sub": "alice", "exp": NOW + 60, "iat": NOW - 5}
    return {name: value for name, value in (good | changes).items() if value is not None}


def sign(payload: Any, key: Any = SECRET, algorithm: str = "HS256", **header: Any) -> str:
    """Sign any JSON value, also one that is no set of claims."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), key, algorithm, header or None)


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def secret_settings(folder: Path, **more: Any) -> AuthConfig:
    return AuthConfig.model_construct(mode="jwt", key_file=write(folder / "secret", SECRET), **more)


def jwks_settings(folder: Path, *keys: Any, algorithms: tuple[str, ...] = EVERY) -> AuthConfig:
    path = write(folder / "jwks.json", json.dumps({"keys": keys}))
    return AuthConfig.model_construct(mode="jwt", jwks_file=path, algorithms=algorithms)


def complaint(settings: AuthConfig) -> str:
    with pytest.raises(ConfigError) as error:
        JwtAuth(settings)
    text = str(error.value)
    assert text.endswith("."), text
    return text


def with_file(folder: Path, data: bytes | str, *algorithms: str) -> AuthConfig:
    return AuthConfig.model_construct(
        mode="jwt", key_file=write(folder / "key", data), algorithms=algorithms or ("HS256",)
    )


def refusal(auth: JwtAuth, token: str, openid: str = "alice", wall: float = NOW) -> str:
    with pytest.raises(AuthRefused) as refused:
        auth.authenticate(openid, token, wall)
    return refused.value.reason


def by_hand(header: Any, payload: Any, key: bytes) -> str:
    """Make a token with an HMAC of ``key``, which PyJWT itself would not agree to make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    mac = hmac.digest(key, b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()
