"""Making tokens and keys, for the command line and for tests. The gateway itself only verifies."""

from __future__ import annotations

import math
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from quicgw_fast.auth.keys import (
    MIN_SECRET,
    algorithm_of,
    check_algorithms,
    check_strength,
    read_file,
    read_secret,
)
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SECRET_ALGORITHM: Final = "HS256"
_PEM: Final = b"-----BEGIN "
_MAKERS: Final[dict[str, Callable[[], PrivateKey]]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """Where a new key is: ``signing`` makes tokens, ``verifying`` goes to the gateway.

    HS256 has one file for both.
    """

    signing: Path
    verifying: Path


def issue_token(
    openid: str,
    key_file: Path,
    *,
    algorithm: str = "HS256",
    ttl: float = 3600.0,
    audience: str | None = None,
    issuer: str | None = None,
    kid: str | None = None,
    wall: float,
) -> str:
    """Make a token for ``openid``.

    Valid from ``wall`` (wall-clock seconds) for at least ``ttl`` seconds. ``key_file`` holds the secret (HS256) or an
    unencrypted PEM private key.

    Raises ConfigError when the algorithm, the key file, the openid or ``ttl`` cannot be used.
    """
    check_algorithms((algorithm,), "algorithm")
    if not openid:
        raise ConfigError("the openid is empty. Name whom the token is for.")
    if not (math.isfinite(ttl) and ttl > 0):
        raise ConfigError(f"a time to live of {ttl} s is of no use. Give more than 0 s.")
    # Whole seconds, which every verifier reads; rounded so that no second of the promise is lost.
    claims: dict[str, Any] = {"sub": openid, "iat": int(wall), "exp": math.ceil(wall + ttl)}
    claims |= {name: value for name, value in (("aud", audience), ("iss", issuer)) if value is not None}
    return jwt.encode(
        claims, _signing_key(key_file, algorithm), algorithm, headers=None if kid is None else {"kid": kid}
    )


def generate_key(algorithm: str, folder: Path) -> GeneratedKey:
    """Write a new ``secret.key``, or ``private.pem`` and ``public.pem``, into an existing folder.

    What is secret is readable for its owner alone. Nothing is ever overwritten.

    Raises ConfigError when the algorithm is unknown or the files cannot be made.
    """
    check_algorithms((algorithm,), "algorithm")
    if algorithm == SECRET_ALGORITHM:
        path = folder / "secret.key"
        # As text, so that it survives editors and copying; 256 bits all the same.
        _write_new(path, f"{secrets.token_hex(MIN_SECRET)}\n".encode(), 0o600)
        return GeneratedKey(path, path)
    made = GeneratedKey(folder / "private.pem", folder / "public.pem")
    if made.verifying.exists():
        raise _exists(made.verifying)
    key = _MAKERS[algorithm]()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write_new(made.signing, private, 0o600)
    _write_new(made.verifying, public, 0o644)
    return made


def _signing_key(path: Path, algorithm: str) -> PrivateKey | bytes:
    data, what = read_file(path, "key file"), f"key file: {path}"
    if _PEM not in data:
        if algorithm == SECRET_ALGORITHM:
            return read_secret(path, "key file")
        raise ConfigError(
            f"{what} is no PEM private key, which {algorithm} needs. A secret goes with --algorithm {SECRET_ALGORITHM}."
        )
    if b"PRIVATE KEY" not in data:
        raise ConfigError(f"{what} holds no private key, and no other makes tokens. Give the one that belongs to it.")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{what} is not an unencrypted PEM private key, which is needed to make tokens.") from error
    public = key.public_key()
    kind = algorithm_of(public)
    if kind is None:
        raise ConfigError(f"{what} holds a key of a kind that no gateway verifies. Make one with --new-key.")
    if kind != algorithm:
        raise ConfigError(
            f"{what} holds a key for {kind}, not for {algorithm}. Name its algorithm: --algorithm {kind}."
        )
    check_strength(public, what)
    assert isinstance(key, PrivateKey)
    return key


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise ConfigError(f"cannot make {path}: {error.strerror}. Name an existing, writable folder.") from error
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, opened with its mode
        file.write(data)


def _exists(path: Path) -> ConfigError:
    return ConfigError(f"{path} exists and is not overwritten. Name another folder, or move it away.")
