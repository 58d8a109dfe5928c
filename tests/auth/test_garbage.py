"""What is no token is refused in one way, and raises nothing else."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quicgw_fast.auth import MAX_TOKEN, AuthRefused, JwtAuth

from .keyshop import (
    EVERY,
    NOW,
    SECRET,
    by_hand,
    claims,
    jwk,
    jwks_settings,
    refusal,
    secret_settings,
    sign,
    signing_key,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_the_empty_token_is_none(auth: JwtAuth) -> None:
    assert refusal(auth, "") == "no token"


def test_a_token_may_have_4096_characters_and_no_more(auth: JwtAuth) -> None:
    def of_length(padding: int) -> str:
        return sign(claims(pad="x" * padding))

    fits = max((of_length(n) for n in range(2900, 3000)), key=lambda token: (len(token) <= MAX_TOKEN, len(token)))
    assert MAX_TOKEN - 4 < len(fits) <= MAX_TOKEN
    auth.authenticate("alice", fits, NOW)
    assert "4096" in refusal(auth, of_length(3000))
    assert "4096" not in refusal(auth, "x" * 4096)
    assert "4096" in refusal(auth, "x" * 4097)
    assert "4096" in refusal(auth, "x" * 10_000_000)


@pytest.mark.parametrize("payload", [[], "alice", 7, None, [["sub", "alice"]], {"sub": {"alice": 1}, "exp": NOW + 60}])
def test_signed_nonsense_is_refused(auth: JwtAuth, payload: Any) -> None:
    refusal(auth, sign(payload))


def test_a_deeply_nested_header_or_payload_is_refused(auth: JwtAuth) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 1400).rstrip(b"=").decode()
    head = sign(claims()).split(".")[0]
    refusal(auth, f"{nested}.e30.AA")
    refusal(auth, f"{head}.{nested}.AA")


def test_a_detached_payload_is_refused(auth: JwtAuth) -> None:
    refusal(auth, by_hand({"alg": "HS256", "b64": False, "crit": ["b64"]}, claims(), SECRET))
    refusal(auth, by_hand({"alg": "HS256", "crit": ["unheard"], "unheard": 1}, claims(), SECRET))


_fixture_is_constant = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
_segment = st.one_of(
    st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["alg", "kid", "typ", "b64", "crit", "sub", "exp", "x"]), inner, max_size=4
            )
        ),
    ).map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()),
)


@_fixture_is_constant
@given(st.one_of(st.text(), st.lists(_segment, max_size=5).map(".".join)))
@example("..")
@example("a.b.c")
@example("\ud800.\ud800.\ud800")
@example("é.é.é")
def test_garbage_is_refused_and_raises_nothing_else(auth: JwtAuth, token: str) -> None:
    refusal(auth, token)


@_fixture_is_constant
@given(position=st.integers(0, 10_000), character=st.characters(codec="utf-8"), algorithm=st.sampled_from(EVERY))
def test_a_token_that_was_touched_is_refused(tmp_path: Path, position: int, character: str, algorithm: str) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk(algorithm)))
    token = sign(claims(), signing_key(algorithm), algorithm)
    place = position % len(token)
    touched = token[:place] + character + token[place + 1 :]
    if touched != token:
        refusal(auth, touched)


@_fixture_is_constant
@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "nbf", "iat", "aud", "iss"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=5),
            st.lists(st.text(max_size=3), max_size=2),
        ),
    )
)
def test_signed_claims_of_any_kind_are_granted_or_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    auth = JwtAuth(secret_settings(tmp_path, audience="gateway", issuer="us"))
    with suppress(AuthRefused):
        grant = auth.authenticate("alice", sign(claims(**{"aud": "gateway", "iss": "us"} | changes)), NOW)
        assert grant.openid == "alice"
        assert grant.expires_at is not None
        assert grant.expires_at > NOW
