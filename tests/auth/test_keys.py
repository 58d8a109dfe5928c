"""Every wrong file and setting stops the start, with a sentence that names the file or the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from quicgw_fast.auth import JwtAuth
from quicgw_fast.auth.keys import algorithm_of, load_key_file
from quicgw_fast.config import AuthConfig

from .keyshop import ASYMMETRIC, NOW, SECRET, claims, complaint, jwk, pair, sign, with_file, write

if TYPE_CHECKING:
    from pathlib import Path


# Settings


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256", "None"), ("HS512",), ("RS384",), ("hs256",), ("",)])
def test_algorithms_are_pinned_to_the_known_four(tmp_path: Path, algorithms: tuple[str, ...]) -> None:
    settings = AuthConfig.model_construct(mode="jwt", key_file=write(tmp_path / "key", SECRET), algorithms=algorithms)
    assert "auth.algorithms" in complaint(settings)


def test_there_must_be_exactly_one_source_of_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "key", SECRET)
    assert "Set auth.key_file or auth.jwks_file" in complaint(AuthConfig.model_construct(mode="jwt"))
    assert "both" in complaint(AuthConfig.model_construct(mode="jwt", key_file=path, jwks_file=path))


@pytest.mark.parametrize("leeway", [-1.0, 301.0, float("nan"), float("inf")])
def test_leeway_is_small(tmp_path: Path, leeway: float) -> None:
    path = write(tmp_path / "key", SECRET)
    assert "auth.leeway" in complaint(AuthConfig.model_construct(mode="jwt", key_file=path, leeway=leeway))


@pytest.mark.parametrize("name", ["audience", "issuer"])
def test_an_empty_name_is_a_mistake(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "key", SECRET)
    more: dict[str, Any] = {name: ""}
    assert f"auth.{name}" in complaint(AuthConfig.model_construct(mode="jwt", key_file=path, **more))


# Secrets


@pytest.mark.parametrize("algorithms", [("HS256",), ("HS256", "HS256")])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_newline_at_the_end_is_not_of_the_secret(tmp_path: Path, end: bytes, algorithms: tuple[str, ...]) -> None:
    JwtAuth(with_file(tmp_path, SECRET + end, *algorithms)).authenticate("alice", sign(claims()), NOW)


@pytest.mark.parametrize("end", [b"\n\n", b" ", b"\r"])
def test_anything_more_is_of_the_secret(tmp_path: Path, end: bytes) -> None:
    key = load_key_file(write(tmp_path / "key", SECRET + end), ("HS256",))
    assert key.material == SECRET + end.removesuffix(b"\n")


def test_a_secret_has_at_least_32_bytes_after_the_newline(tmp_path: Path) -> None:
    JwtAuth(with_file(tmp_path, b"x" * 32 + b"\n"))
    assert "31 bytes" in complaint(with_file(tmp_path, b"x" * 31 + b"\n"))


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    assert "secret" not in repr(load_key_file(write(tmp_path / "key", SECRET), ("HS256",)))


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("form", ["public_pem", "certificate_pem", "private_pem", "encrypted_pem", "public_der"])
def test_a_key_file_is_no_secret(tmp_path: Path, algorithm: str, form: str) -> None:
    text = complaint(with_file(tmp_path, getattr(pair(algorithm), form)))
    assert "HS256" in text
    assert str(tmp_path / "key") in text


def test_a_pem_block_behind_other_text_is_no_secret(tmp_path: Path) -> None:
    assert "PEM" in complaint(with_file(tmp_path, b"Bag Attributes\n" + pair("RS256").certificate_pem))


def test_a_jwk_or_an_ssh_key_is_no_secret(tmp_path: Path) -> None:
    assert "HS256" in complaint(with_file(tmp_path, json.dumps(jwk("RS256"))))
    ssh = pair("EdDSA").key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    assert "HS256" in complaint(with_file(tmp_path, ssh))


def test_a_file_cannot_be_a_secret_and_a_public_key(tmp_path: Path) -> None:
    for data in (SECRET, pair("RS256").public_pem):
        assert "mixes" in complaint(with_file(tmp_path, data, "HS256", "RS256"))


# Public keys


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("form", ["private_pem", "encrypted_pem"])
def test_the_gateway_takes_no_private_key(tmp_path: Path, algorithm: str, form: str) -> None:
    text = complaint(with_file(tmp_path, getattr(pair(algorithm), form), algorithm))
    assert "private key" in text
    assert "openssl pkey" in text


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("kind", [*ASYMMETRIC, "P-384", "Ed448"])
def test_the_key_must_fit_the_algorithm(tmp_path: Path, algorithm: str, kind: str) -> None:
    settings = with_file(tmp_path, pair(kind).public_pem, algorithm)
    if kind == algorithm:
        JwtAuth(settings)
    else:
        assert "does not fit" in complaint(settings)


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    assert "1024 bits" in complaint(with_file(tmp_path, pair("RSA-1024").public_pem, "RS256"))


_NO_KEYS = [
    SECRET,
    b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    b"-----BEGIN CERTIFICATE-----\n",
    b"\xff" * 100,
]


@pytest.mark.parametrize("data", _NO_KEYS)
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_file_without_a_public_key_is_refused(tmp_path: Path, data: bytes, algorithm: str) -> None:
    assert "not a PEM public key" in complaint(with_file(tmp_path, data, algorithm))


def test_no_other_object_is_for_an_algorithm() -> None:
    assert [algorithm_of(pair(kind).key.public_key()) for kind in ASYMMETRIC] == list(ASYMMETRIC)
    assert algorithm_of(b"secret") is None


# Files


@pytest.mark.parametrize("name", ["key_file", "jwks_file"])
@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str, algorithm: str) -> None:
    def text(path: Path) -> str:
        more: dict[str, Any] = {name: path}
        return complaint(AuthConfig.model_construct(mode="jwt", algorithms=(algorithm,), **more))

    for path, word in [
        (tmp_path / "absent", "No such file"),
        (tmp_path, "directory"),
        (write(tmp_path / "empty", b""), "is empty"),
        (write(tmp_path / "blank", b" \n\n"), "is empty"),
        (write(tmp_path / "huge", b"x" * ((1 << 20) + 1)), "larger than 1 MiB"),
    ]:
        assert word in text(path)
        assert f"auth.{name}" in text(path)
        assert str(path) in text(path)
