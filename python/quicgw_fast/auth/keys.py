"""Keys that verify tokens, read from files that are not trusted to be right.

Each of the four algorithms goes with one kind of key, so a key *is for* one algorithm from the moment it is
read. A token cannot make a public key serve as a secret, or choose anything else about its own check (RFC
8725 §3.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError, PyJWTError

from quicgw_fast.config import read_small
from quicgw_fast.errors import ConfigError, SettingError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
MIN_SECRET: Final = 32
"""RFC 7518 §3.2: a key of at least the size of the hash."""
MIN_RSA_BITS: Final = 2048
"""RFC 7518 §3.3."""

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
_KEY_TYPES: Final = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
    ("oct", None): "HS256",
}


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """One key, the one algorithm it is for, and its name in a key set."""

    algorithm: str
    material: bytes | PublicKey = field(repr=False)
    kid: str | None = None


class KeyRing:
    """The keys that are valid now."""

    def __init__(self, keys: Sequence[VerifyKey]) -> None:
        """Take at least one key; of several, each has a ``kid`` of its own."""
        self._only = keys[0] if len(keys) == 1 else None
        self._named = {key.kid: key for key in keys if key.kid is not None}

    def pick(self, kid: str | None) -> VerifyKey | None:
        """Return the key for a token with this ``kid``, or ``None``.

        A key without a name serves any ``kid``; a token without a ``kid`` is served by a single key.
        """
        if self._only is not None and (kid is None or self._only.kid is None):
            return self._only
        return None if kid is None else self._named.get(kid)


def check_algorithms(algorithms: Collection[str], where: str) -> None:
    """Raise ConfigError unless there is at least one algorithm and each is one of :data:`ALGORITHMS`."""
    choice = ", ".join(ALGORITHMS)
    if not algorithms:
        raise ConfigError(f"{where} is empty. Name the algorithms of your tokens: {choice}.")
    for algorithm in algorithms:
        if algorithm not in ALGORITHMS:
            raise ConfigError(f'{where}: "{algorithm}" is not supported. Choose from {choice}.')


def read_file(path: Path, where: str) -> bytes:
    """Read a key file of at most 1 MiB. Raises ConfigError."""
    try:
        data = read_small(path)
    except OSError as error:
        raise ConfigError(
            f"{where}: cannot read {path}: {error.strerror}. Give the path of a readable file."
        ) from error
    if not data.strip():
        raise ConfigError(f"{where}: {path} is empty. Put the key into it.")
    return data


def load_key_file(path: Path, algorithms: Collection[str], where: str = "auth.key_file") -> VerifyKey:
    """Read the one key of a key file. Raises ConfigError."""
    if "HS256" not in algorithms:
        return _public_key_file(path, algorithms, where)
    if len(set(algorithms)) > 1:
        raise SettingError(
            ("auth", "algorithms"),
            "auth.algorithms mixes HS256 with public-key algorithms, and a key file cannot be both a secret "
            "and a public key. Name one kind, or put the keys into auth.jwks_file.",
        )
    return VerifyKey("HS256", read_secret(path, where))


def read_secret(path: Path, where: str) -> bytes:
    """Read an HS256 secret: the file's bytes without one newline at the end. Raises ConfigError."""
    data = read_file(path, where)
    newline = b"\r\n" if data.endswith(b"\r\n") else b"\n"
    return _checked_secret(data.removesuffix(newline), f"{where}: {path}")


def load_jwks_file(path: Path, algorithms: Collection[str], where: str = "auth.jwks_file") -> KeyRing:
    """Read a key set. Keys for other uses or other algorithms are left out; a broken key is an error.

    Raises ConfigError for what is not a key set, a broken or weak key, two keys that a token cannot tell apart, and
    when no key is left.
    """
    what = f"{where}: {path}"
    try:
        document = json.loads(read_file(path, where))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f'{what} is not valid JSON. Expected a key set: {{"keys": [...]}}.') from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ConfigError(f'{what} is not a key set. Expected {{"keys": [...]}} (RFC 7517 §5).')
    keys = [
        key
        for index, entry in enumerate(entries)
        if (key := _from_jwk(entry, algorithms, f"{what}: keys[{index}]")) is not None
    ]
    if not keys:
        raise ConfigError(
            f"{what} has no key to verify {', '.join(algorithms)} with. Add one, or correct auth.algorithms."
        )
    names = [key.kid for key in keys]
    if len(keys) > 1 and (None in names or len(set(names)) < len(names)):
        raise ConfigError(f'{what}: several keys, but not each has its own "kid". Give every key one.')
    return KeyRing(keys)


def algorithm_of(key: object) -> str | None:
    """Return the algorithm that a public key is for, or ``None`` if it is for none of ours."""
    if isinstance(key, RSAPublicKey):
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey):
        return "ES256" if isinstance(key.curve, SECP256R1) else None
    return "EdDSA" if isinstance(key, Ed25519PublicKey) else None


def check_strength(key: object, what: str) -> None:
    """Raise ConfigError for an RSA key that is too short."""
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise ConfigError(
            f"{what} holds an RSA key of {key.key_size} bits, and at least {MIN_RSA_BITS} are needed. Make a new key."
        )


def _checked_secret(secret: bytes, what: str) -> bytes:
    """Refuse secrets that are guessable: short ones, and files that others may know, such as public keys."""
    # PyJWT looks at the beginning only; a PEM block may have text before it.
    if b"-----BEGIN " in secret:
        raise ConfigError(
            f"{what} is a PEM file, and HS256 needs a secret: whoever knows a public key could make tokens. "
            "Give a secret, or set auth.algorithms to what the key is for (RS256, ES256, EdDSA)."
        )
    if len(secret) < MIN_SECRET:
        raise ConfigError(
            f"{what} holds a secret of {len(secret)} bytes. HS256 needs at least {MIN_SECRET} random ones "
            "(RFC 7518 §3.2): make a new secret."
        )
    try:
        return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError as error:
        raise ConfigError(
            f"{what} holds a public key, a certificate or a JWK, and HS256 needs a raw secret. Give a secret."
        ) from error


def _public_key_file(path: Path, algorithms: Collection[str], where: str) -> VerifyKey:
    data, what = read_file(path, where), f"{where}: {path}"
    if b"PRIVATE KEY-----" in data:
        raise ConfigError(
            f"{what} holds a private key. The gateway verifies tokens and must not be able to make them: "
            f"give it the public half (openssl pkey -in {path.name} -pubout)."
        )
    try:
        if b"-----BEGIN CERTIFICATE-----" in data:
            # Only a container for the key: its dates and its chain are not checked.
            key: object = x509.load_pem_x509_certificate(data).public_key()
        else:
            key = load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"{what} is not a PEM public key or certificate, which {', '.join(algorithms)} needs. "
            "Give one, or set auth.algorithms to what the file is for."
        ) from error
    algorithm = algorithm_of(key)
    if algorithm is None or algorithm not in algorithms:
        fits = f"it is for {algorithm}" if algorithm else "it is for no supported algorithm"
        raise ConfigError(
            f"{what}: the key does not fit auth.algorithms = {', '.join(algorithms)} ({fits}). "
            "RS256 needs an RSA key, ES256 one on the curve P-256, EdDSA an Ed25519 key."
        )
    check_strength(key, what)
    return VerifyKey(algorithm, _as_public(key))


def _as_public(key: object) -> PublicKey:
    assert isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey)  # algorithm_of() has said so
    return key


def _from_jwk(entry: Any, algorithms: Collection[str], what: str) -> VerifyKey | None:
    """Turn one member of a key set into a key; ``None`` if it is for something else. Raises ConfigError."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{what} is not a JSON object. Remove or correct it.")
    algorithm = _jwk_algorithm(entry)
    if algorithm is None or algorithm not in algorithms:
        return None
    kid = entry.get("kid")
    if kid is not None and (not isinstance(kid, str) or not kid):
        raise ConfigError(f'{what}: "kid" must be a text that is not empty (RFC 7517 §4.5).')
    if algorithm != "HS256" and "d" in entry:
        raise ConfigError(
            f"{what} is a private key. The gateway must not be able to make tokens: leave only its public members."
        )
    try:
        material = PyJWK(entry, algorithm).key
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        # The library's text may quote the key, so it stays out of ours.
        raise ConfigError(f"{what} is not a usable {entry['kty']} key ({type(error).__name__}).") from None
    if isinstance(material, bytes):
        return VerifyKey(algorithm, _checked_secret(material, what), kid)
    check_strength(material, what)
    return VerifyKey(algorithm, _as_public(material), kid)


def _jwk_algorithm(entry: dict[str, Any]) -> str | None:
    """Return which of our algorithms a JWK is for (RFC 7517 §4, RFC 8037 §2), ``None`` for any other."""
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    kty, crv = entry.get("kty"), entry.get("crv")
    for (wanted_type, wanted_curve), algorithm in _KEY_TYPES.items():
        if kty == wanted_type and wanted_curve in (None, crv):
            return algorithm if entry.get("alg", algorithm) == algorithm else None
    return None
