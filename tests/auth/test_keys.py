"""Every wrong file and setting stops the start, with a sentence that names the file or the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from quicgw_fast.auth import JwtAuth
from quicgw_fast.auth.keys import algorithm_of, load_jwks_file, load_key_file
from quicgw_fast.config import AuthConfig
from quicgw_fast.errors import ConfigError

from .keyshop import ASYMMETRIC, EVERY, NOW, SECRET, claims, jwk, jwks_settings, pair, private_jwk, sign, write

if TYPE_CHECKING:
    from pathlib import Path


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


# Key sets


_NO_SETS = [
    "nonsense",
    "[]",
    "{}",
    '{"keys": {}}',
    '"keys"',
    '{"keys": 1}',
    "[" * 100_000,
    "\ud800".encode("utf-8", "surrogatepass"),
]


@pytest.mark.parametrize("data", _NO_SETS, ids=range(len(_NO_SETS)))
def test_a_file_that_is_no_key_set(tmp_path: Path, data: bytes | str) -> None:
    settings = AuthConfig.model_construct(mode="jwt", jwks_file=write(tmp_path / "jwks", data))
    assert '"keys"' in complaint(settings)


def test_a_key_set_without_a_key_for_us(tmp_path: Path) -> None:
    assert "no key" in complaint(jwks_settings(tmp_path))
    assert "no key" in complaint(jwks_settings(tmp_path, jwk("RS256"), algorithms=("ES256",)))


_OTHER_PURPOSES: list[dict[str, Any]] = [
    jwk("RS256", use="enc"),
    jwk("RS256", key_ops=["encrypt"]),
    jwk("RS256", key_ops="verify"),
    jwk("RS256", alg="RS512"),
    jwk("RS256", alg="ES256"),
    jwk("RS256", alg="HS256"),
    jwk("ES256", crv="P-384"),
    jwk("EdDSA", crv="Ed448"),
    jwk("EdDSA", kty="unheard"),
    {"kty": ["RSA"]},
    {"kid": "nothing else"},
]


@pytest.mark.parametrize("other", _OTHER_PURPOSES, ids=range(len(_OTHER_PURPOSES)))
def test_keys_for_other_purposes_are_left_out(tmp_path: Path, other: dict[str, Any]) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, other, jwk("ES256", 1, alg="ES256", use="sig", key_ops=["verify"])))
    auth.authenticate("alice", sign(claims(), pair("ES256", 1).key, "ES256"), NOW)


_BROKEN: list[Any] = [
    "text",
    7,
    None,
    jwk("RS256", n=None),
    jwk("RS256", e="!"),
    jwk("RS256", n=7),
    jwk("RS256", n=""),
    jwk("ES256", x=None),
    jwk("ES256", x="AAAA"),
    jwk("ES256", y=jwk("ES256")["x"]),
    jwk("EdDSA", x="AAAA"),
    jwk("EdDSA", x=None),
    jwk("EdDSA", x=[]),
    jwk("HS256", k=None),
    jwk("HS256", k="c2hvcnQ"),
    jwk("HS256", k=7),
    jwk("HS256", k=""),
    jwk("ES256", d="AAAA"),
    jwk("RS256", d="AAAA"),
    jwk("EdDSA", d="AAAA"),
    jwk("HS256", kid=7),
    jwk("HS256", kid=""),
]


@pytest.mark.parametrize("broken", _BROKEN, ids=range(len(_BROKEN)))
def test_a_broken_key_in_a_set_is_an_error_that_names_it(tmp_path: Path, broken: Any) -> None:
    text = complaint(jwks_settings(tmp_path, jwk("ES256", kid="good"), broken))
    assert "keys[1]" in text
    if isinstance(broken, dict) and isinstance(broken.get("k"), str) and broken["k"]:
        assert broken["k"] not in text


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_private_key_in_a_set_is_refused(tmp_path: Path, algorithm: str) -> None:
    text = complaint(jwks_settings(tmp_path, private_jwk(algorithm)))
    assert "is a private key" in text
    assert private_jwk(algorithm)["d"] not in text


def test_a_short_rsa_key_in_a_set_is_refused(tmp_path: Path) -> None:
    from jwt.algorithms import RSAAlgorithm

    short = dict(RSAAlgorithm.to_jwk(pair("RSA-1024").key.public_key(), as_dict=True), key_ops=["verify"])
    assert "1024 bits" in complaint(jwks_settings(tmp_path, short))


def test_a_public_key_spelled_as_a_secret_in_a_set_is_refused(tmp_path: Path) -> None:
    from jwt.utils import base64url_encode

    for form in ("public_pem", "public_der"):
        disguised = {"kty": "oct", "k": base64url_encode(getattr(pair("ES256"), form)).decode()}
        assert "HS256" in complaint(jwks_settings(tmp_path, disguised))


@pytest.mark.parametrize("names", [("a", "a"), ("a", None), (None, None)])
def test_several_keys_each_need_their_own_name(tmp_path: Path, names: tuple[str | None, str | None]) -> None:
    keys = (jwk("ES256", number, kid=name) for number, name in enumerate(names))
    assert '"kid"' in complaint(jwks_settings(tmp_path, *keys))


def test_a_reload_that_fails_leaves_the_keys_in_force(tmp_path: Path) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk("ES256", kid="a")))
    write(tmp_path / "jwks.json", b"half a fi")
    with pytest.raises(ConfigError):
        auth.reload()
    auth.authenticate("alice", sign(claims(), pair("ES256").key, "ES256", kid="a"), NOW)


def test_a_ring_of_all_kinds(tmp_path: Path) -> None:
    path = write(tmp_path / "jwks.json", json.dumps({"keys": [jwk(name, kid=name) for name in EVERY]}))
    ring = load_jwks_file(path, EVERY)
    assert [key.algorithm for name in EVERY if (key := ring.pick(name)) is not None] == list(EVERY)
    assert ring.pick(None) is None


@pytest.mark.parametrize("setting", ["key_file", "jwks_file"])
def test_public_keys_that_everybody_may_change_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: str
) -> None:
    """Whoever can write there can add a key of its own and make tokens with it."""
    text = pair("EdDSA").public_pem if setting == "key_file" else json.dumps({"keys": [jwk("EdDSA")]})
    path = write(tmp_path / "public", text)
    path.chmod(0o646)
    JwtAuth(AuthConfig.model_construct(mode="jwt", algorithms=("EdDSA",), **{setting: path}))
    (record,) = [one for one in caplog.records if one.name == "quicgw.config"]
    assert record.__dict__["setting"] == f"auth.{setting}"
