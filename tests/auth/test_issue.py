from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest

from quicgw_fast.auth import AuthRefused, JwtAuth, generate_key, issue_token
from quicgw_fast.config import AuthConfig
from quicgw_fast.errors import ConfigError

from .keyshop import ASYMMETRIC, EVERY, NOW, SECRET, jwk, jwks_settings, pair, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_new_key_makes_tokens_that_the_gateway_takes(tmp_path: Path, algorithm: str) -> None:
    key = generate_key(algorithm, tmp_path)
    settings = AuthConfig.model_construct(
        mode="jwt", key_file=key.verifying, algorithms=(algorithm,), audience="gateway", issuer="me"
    )
    token = issue_token(
        "alice", key.signing, algorithm=algorithm, ttl=60.0, audience="gateway", issuer="me", wall=NOW + 0.25
    )
    auth = JwtAuth(settings)
    assert auth.authenticate("alice", token, NOW + 60.2).expires_at == NOW + 61
    with pytest.raises(AuthRefused):
        auth.authenticate("alice", token, NOW + 61)


@pytest.mark.parametrize("algorithm", EVERY)
def test_secrets_are_for_the_owner_and_nothing_is_overwritten(tmp_path: Path, algorithm: str) -> None:
    key = generate_key(algorithm, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert key.signing.stat().st_mode & 0o777 == 0o600
    assert set(before) == {key.signing, key.verifying}
    with pytest.raises(ConfigError, match="not overwritten"):
        generate_key(algorithm, tmp_path)
    key.signing.rename(tmp_path / "elsewhere")
    if key.verifying != key.signing:
        with pytest.raises(ConfigError, match="not overwritten"):
            generate_key(algorithm, tmp_path)
        assert not key.signing.exists()


def test_new_keys_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (generate_key("HS256", tmp_path / name).signing.read_bytes() for name in ("a", "b"))
    assert first != second


@pytest.mark.parametrize("algorithm", ["none", "RS512", ""])
def test_unknown_algorithms(tmp_path: Path, algorithm: str) -> None:
    with pytest.raises(ConfigError, match="algorithm"):
        generate_key(algorithm, tmp_path)
    with pytest.raises(ConfigError, match="algorithm"):
        issue_token("alice", write(tmp_path / "key", SECRET), algorithm=algorithm, wall=NOW)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        generate_key("EdDSA", tmp_path / "absent")


def test_optional_parts_are_left_out_or_carried(tmp_path: Path) -> None:
    path = write(tmp_path / "key", SECRET)
    plain = jwt.decode_complete(issue_token("alice", path, wall=NOW), options={"verify_signature": False})
    assert plain["payload"] == {"sub": "alice", "iat": int(NOW), "exp": int(NOW) + 3600}
    assert plain["header"] == {"alg": "HS256", "typ": "JWT"}


def test_kid_goes_along(tmp_path: Path) -> None:
    path = write(tmp_path / "key", pair("ES256", 1).private_pem)
    token = issue_token("alice", path, algorithm="ES256", kid="1", wall=NOW)
    JwtAuth(jwks_settings(tmp_path, jwk("ES256", 0, kid="0"), jwk("ES256", 1, kid="1"))).authenticate(
        "alice", token, NOW
    )


@pytest.mark.parametrize(
    "changes", [{"openid": ""}, {"ttl": 0.0}, {"ttl": -1.0}, {"ttl": float("nan")}, {"ttl": float("inf")}]
)
def test_tokens_of_no_use_are_not_made(tmp_path: Path, changes: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"openid": "alice", "key_file": write(tmp_path / "key", SECRET), "wall": NOW}
    with pytest.raises(ConfigError):
        issue_token(**arguments | changes)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_token_needs_a_private_key_of_its_algorithm(tmp_path: Path, algorithm: str) -> None:
    others = [pair(kind).private_pem for kind in (*ASYMMETRIC, "P-384", "Ed448") if kind != algorithm]
    for data in [pair(algorithm).public_pem, pair(algorithm).encrypted_pem, SECRET, b"", *others]:
        with pytest.raises(ConfigError, match="key"):
            issue_token("alice", write(tmp_path / "key", data), algorithm=algorithm, wall=NOW)


def test_weak_keys_make_no_tokens(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1024 bits"):
        issue_token("alice", write(tmp_path / "key", pair("RSA-1024").private_pem), algorithm="RS256", wall=NOW)
    for data in (b"short", pair("RS256").private_pem):
        with pytest.raises(ConfigError, match="HS256"):
            issue_token("alice", write(tmp_path / "key", data), wall=NOW)
