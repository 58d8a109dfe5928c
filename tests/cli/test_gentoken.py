from __future__ import annotations

import signal
import tomllib
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cli.process import Gateway, assert_one_sentence, in_process, quicgw

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_opens_a_gateway_that_wants_one(tmp_path: Path, certified: str) -> None:
    made = quicgw("gentoken", "alice", "--new-key", str(tmp_path), "--algorithm", "EdDSA", "--audience", "game")
    assert made.returncode == 0
    assert "private.pem" in made.stderr
    public = tmp_path / "public.pem"
    assert str(public) in made.stderr
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'{certified}[auth]\nmode = "jwt"\nkey_file = "{public}"\nalgorithms = ["EdDSA"]\naudience = "game"\n'
    )
    with Gateway("dev", "--config", str(file)) as gateway:
        call = ("call", "echo", "--data", "in", "--server", gateway.quic, "--insecure", "--openid", "alice")
        token = made.stdout.strip()
        assert in_process(*call, "--token", token).stdout == "reply 2 200 ok\nin\n"
        assert quicgw(*call, extra={"QUICGW_TOKEN": token}).returncode == 0
        refused = in_process(*call)
        assert refused.returncode == 1
        assert refused.stdout.startswith("error 401 ")
        assert "needs a token: give --token" in refused.stdout
        gateway.signal(signal.SIGTERM)
        assert gateway.ended() == (0, "")


def test_claims_and_header(tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    key.write_text("k" * 32)
    done = quicgw(
        "gentoken", "bob", "--key", str(key), "--ttl", "90s", "--issuer", "me", "--audience", "you", "--kid", "one"
    )
    assert (done.returncode, done.stderr) == (0, "")
    token = done.stdout.strip()
    claims = jwt.decode(token, "k" * 32, algorithms=["HS256"], audience="you", issuer="me")
    assert claims["sub"] == "bob"
    assert 90 <= claims["exp"] - claims["iat"] <= 91
    assert jwt.get_unverified_header(token)["kid"] == "one"


def test_a_key_alone_and_never_over_another_one(tmp_path: Path) -> None:
    first = in_process("gentoken", "--new-key", str(tmp_path))
    assert (first.returncode, first.stdout) == (0, "")
    secret = (tmp_path / "secret.key").read_text()
    assert_one_sentence(in_process("gentoken", "--new-key", str(tmp_path)), "secret.key")
    assert (tmp_path / "secret.key").read_text() == secret


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    short = tmp_path / "short.key"
    short.write_text("short")
    assert_one_sentence(in_process("gentoken", "alice", "--key", str(short)), "short.key")
    assert_one_sentence(in_process("gentoken", "alice", "--key", "/does/not/exist"), "/does/not/exist")
    assert_one_sentence(in_process("gentoken", "alice", "--new-key", str(short / "keys")), str(short / "keys"))


@pytest.mark.parametrize(
    ("key", "algorithm", "told"),
    [
        ("EdDSA/private.pem", "HS256", "holds a key for EdDSA, not for HS256. Name its algorithm: --algorithm EdDSA."),
        ("EdDSA/private.pem", "RS256", "holds a key for EdDSA, not for RS256. Name its algorithm: --algorithm EdDSA."),
        ("EdDSA/public.pem", "EdDSA", "holds no private key, and no other makes tokens"),
        ("EdDSA/public.pem", "HS256", "holds no private key, and no other makes tokens"),
        (
            "HS256/secret.key",
            "ES256",
            "is no PEM private key, which ES256 needs. A secret goes with --algorithm HS256.",
        ),
        ("broken.pem", "HS256", "is not an unencrypted PEM private key"),
        ("curve.pem", "ES256", "holds a key of a kind that no gateway verifies. Make one with --new-key."),
    ],
)
def test_a_key_for_another_algorithm_says_which_to_name(key: str, algorithm: str, told: str, tmp_path: Path) -> None:
    for kind in ("EdDSA", "HS256"):
        assert in_process("gentoken", "--new-key", str(tmp_path / kind), "-a", kind).returncode == 0
    (tmp_path / "broken.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "curve.pem").write_bytes(other)
    done = in_process("gentoken", "alice", "--key", str(tmp_path / key), "--algorithm", algorithm)
    assert_one_sentence(done, str(tmp_path / key), told)


def test_the_settings_can_be_pasted_and_the_folder_is_made(tmp_path: Path) -> None:
    done = in_process("gentoken", "--new-key", str(tmp_path / "a" / "keys"))
    assert done.returncode == 0
    needed = tomllib.loads(done.stderr.partition("needs:\n")[2])
    key = str(tmp_path / "a" / "keys" / "secret.key")
    assert needed == {"auth": {"mode": "jwt", "algorithms": ["HS256"], "key_file": key}}
