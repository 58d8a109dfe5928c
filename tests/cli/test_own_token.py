"""What the command says of a token that was refused: from its form and claims, before a real gateway for the rest."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from quicgw_fast.cli.own_token import subject_of, why_refused
from tests.cli.process import Gateway, in_process

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
SECRET = "k" * 32
GOOD = {"sub": "alice", "exp": NOW + 600, "iat": NOW}
LASTING = {"sub": "alice", "exp": 5_000_000_000}


DEEP = base64.urlsafe_b64encode(b"[" * 2500).decode()


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def token(header: object = None, /, **claims: Any) -> str:
    kept = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
    return f"{part({'alg': 'HS256'} if header is None else header)}.{part(kept)}.c2ln"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("", "the gateway needs a token: give --token"),
        ("nonsense", "is no JWT (HEADER.PAYLOAD.SIGNATURE), as it has 1 of 3 parts: copy all of it"),
        ("a.b.", "as it has 2 of 3 parts"),
        ("..", "as it has 0 of 3 parts"),
        ("a.b.c", "its header cannot be read"),
        (f"{part([1])}.x.y", "its header cannot be read"),
        (f"{part({'alg': 'HS256'})}.%%.y", "its payload cannot be read"),
        (f"{part({'alg': 'HS256'})}.{DEEP}.y", "payload cannot be read"),
        ("ü.ü.ü", "its header cannot be read"),
        ("Bearer a.b.c", "begins with 'Bearer ': leave that out"),
        ("x" * 4097, "has 4097 characters, and a gateway reads 4096"),
        (token({"alg": "none"}), "is signed by 'none', and a gateway takes HS256, RS256"),
        (token({}), "is signed by None"),
        (token(sub=None), "does not say whom it is for (claim sub, a text): make one with quicgw gentoken OPENID"),
        (token(sub=7), "does not say whom it is for"),
        (token(sub="bob"), "is for 'bob' (claim sub), and not for 'alice': leave --openid out"),
        (token(exp=None), "has no end (claim exp"),
        (token(exp="soon"), "has a time that is none (claim exp"),
        (token(nbf=True), "has a time that is none (claim nbf"),
        (token(exp=NOW - 185), "expired 3m5s ago, at 2027-01-15 07:56:55 UTC: make another one"),
        (token(exp=NOW), "expired 0.0s ago"),
        (token(nbf=NOW + 120), "before 2027-01-15 08:02:00 UTC, in 2m (claim nbf): wait, or look at the clock"),
        (token(nbf=1e300), "is not valid before 1e+300 s since 1970"),
        (token(iat=NOW + 3600), "in 1h (claim iat): wait"),
        (token(), "(HS256), its audience or its issuer are not the gateway's: it has no audience and no issuer"),
        (token({"alg": "EdDSA", "kid": "k1"}, aud="game", iss="me"), "(EdDSA, kid 'k1')"),
        (token(aud=["game", "chat"], iss="me\x1b[2J"), "audience ['game', 'chat'] and issuer 'me\\\\x1b[2J'"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_token_is_told_with_what_to_do(shown: str, told: str) -> None:
    said = why_refused(shown, "alice", NOW)
    assert told in said
    assert ":" in said, "what to do stands behind it"
    assert len(said) < 500
    assert said.isprintable()


def test_what_is_not_ours_to_judge_is_left_to_the_gateway() -> None:
    assert "key" in why_refused(token(nbf=NOW + 4, iat=NOW + 50), "alice", NOW)


def test_a_file_in_place_of_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token())
    assert "$(cat FILE)" in why_refused(str(file), "alice", NOW)


def test_whom_a_token_is_for() -> None:
    assert subject_of(token()) == "alice"
    for other in ("", "x", "a.b.c", token(sub=5), token(sub="")):
        assert subject_of(other) is None


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: jwt.encode({**LASTING, "aud": "game"}, "x" * 32, "HS256"), "its key (HS256)"),
        (lambda: jwt.encode({**LASTING, "aud": "other"}, SECRET, "HS256"), "it has audience 'other' and no issuer"),
        (lambda: jwt.encode({**LASTING, "aud": "game", "exp": 5}, SECRET, "HS256"), "expired "),
        (lambda: jwt.encode({"sub": "alice", "aud": "game"}, SECRET, "HS256"), "has no end"),
        (lambda: jwt.encode({**LASTING, "aud": "game", "nbf": 4e9}, SECRET, "HS256"), "is not valid before 2096-"),
        (lambda: "nonsense", "is no JWT"),
    ],
)
def test_a_gateway_refuses_it_and_the_command_says_why(strict: Gateway, made: Any, told: str) -> None:
    done = in_process("call", "echo", "-k", "-s", strict.quic, "--token", made(), "--openid", "alice")
    assert done.returncode in {1, 3}, "the answer, or only the close behind it"
    assert told in done.stdout + done.stderr


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("strict")
    (folder / "secret").write_text(SECRET)
    file = folder / "gateway.toml"
    key = json.dumps(str(folder / "secret"))
    limits = "[limits]\nauth_failures_per_minute = 1000\n"
    file.write_text(f'[auth]\nmode = "jwt"\nkey_file = {key}\naudience = "game"\n{limits}')
    with Gateway("dev", "--config", str(file)) as gateway:
        yield gateway
