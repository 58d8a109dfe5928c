"""Which files are key sets, and which of their keys are ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.auth import JwtAuth
from quicgw_fast.auth.keys import load_jwks_file
from quicgw_fast.config import AuthConfig

from .keyshop import (
    ASYMMETRIC,
    EVERY,
    NOW,
    claims,
    complaint,
    jwk,
    jwks_settings,
    pair,
    private_jwk,
    sign,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


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
