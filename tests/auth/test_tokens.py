from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.auth import Grant, JwtAuth
from quicgw_fast.config import AuthConfig

from .keyshop import (
    ASYMMETRIC,
    EVERY,
    NOW,
    SECRET,
    by_hand,
    claims,
    jwk,
    jwks_settings,
    pair,
    refusal,
    secret_settings,
    sign,
    signing_key,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_good_token_is_granted_until_it_expires(auth: JwtAuth) -> None:
    assert auth.authenticate("alice", sign(claims()), NOW) == Grant("alice", NOW + 60)


def test_a_token_may_name_zone_and_gid(tmp_path: Path) -> None:
    auth = JwtAuth(secret_settings(tmp_path, zone_claim="z", gid_claim="guild"))
    granted = auth.authenticate("alice", sign(claims(z=-7, guild="knights")), NOW)
    assert granted == Grant("alice", NOW + 60, "-7", "knights")
    assert auth.authenticate("alice", sign(claims()), NOW) == Grant("alice", NOW + 60)
    for zone in ("7", 1.5, True, 1 << 63, [7]):
        assert "z is no whole number" in refusal(auth, sign(claims(z=zone)))
    for gid in ("", 7, "g" * 257, "a\nb", ["g"]):
        assert "guild is no text" in refusal(auth, sign(claims(guild=gid)))


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("form", ["public_pem", "certificate_pem"])
def test_public_keys_and_certificates_verify(algorithm: str, form: str, tmp_path: Path) -> None:
    keys = pair(algorithm)
    path = write(tmp_path / "key.pem", getattr(keys, form))
    auth = JwtAuth(AuthConfig.model_construct(mode="jwt", key_file=path, algorithms=(algorithm,)))
    assert auth.authenticate("alice", sign(claims(), keys.key, algorithm), NOW).openid == "alice"
    assert "Signature" in refusal(auth, sign(claims(), pair(algorithm, 1).key, algorithm))


def test_one_key_file_with_several_public_key_algorithms_is_for_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "key.pem", pair("ES256").public_pem)
    auth = JwtAuth(AuthConfig.model_construct(mode="jwt", key_file=path, algorithms=ASYMMETRIC))
    auth.authenticate("alice", sign(claims(), pair("ES256").key, "ES256"), NOW)
    assert "alg" in refusal(auth, sign(claims(), pair("RS256").key, "RS256"))


# Whose token it is


@pytest.mark.parametrize("subject", ["bob", "Alice", "alice ", "alice\0", "", None, 7, ["alice"], "\ud800"])
def test_sub_must_be_the_openid(auth: JwtAuth, subject: Any) -> None:
    assert "sub" in refusal(auth, sign(claims(sub=subject)))


def test_an_empty_openid_is_nobody(auth: JwtAuth) -> None:
    assert "sub" in refusal(auth, sign(claims(sub="")), openid="")


def test_openids_need_not_be_ascii(auth: JwtAuth) -> None:
    assert auth.authenticate("阿莉丝", sign(claims(sub="阿莉丝")), NOW).openid == "阿莉丝"


# Its time


def test_exp_is_the_first_moment_of_refusal(auth: JwtAuth) -> None:
    token = sign(claims(exp=NOW))
    auth.authenticate("alice", token, NOW - 0.001)
    assert refusal(auth, token, wall=NOW) == "expired"
    assert refusal(auth, token, wall=NOW + 1e9) == "expired"


def test_exp_is_required(auth: JwtAuth) -> None:
    assert refusal(auth, sign(claims(exp=None))) == "exp is missing"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1900000000", True, [], {}, float("nan"), float("inf"), 10**400])
def test_times_must_be_finite_numbers(auth: JwtAuth, name: str, value: Any) -> None:
    assert name in refusal(auth, sign(claims(**{name: value})))


def test_a_token_is_not_valid_before_nbf(auth: JwtAuth) -> None:
    token = sign(claims(nbf=NOW))
    assert "nbf" in refusal(auth, token, wall=NOW - 5.001)
    auth.authenticate("alice", token, NOW)


def test_an_issuer_whose_clock_is_ahead_by_seconds_is_forgiven_and_ends_are_not_moved(auth: JwtAuth) -> None:
    grant = auth.authenticate("alice", sign(claims(nbf=NOW + 0.4, exp=NOW + 60)), NOW)
    assert grant.expires_at == NOW + 60
    auth.authenticate("alice", sign(claims(nbf=NOW + 5)), NOW)
    assert refusal(auth, sign(claims(exp=NOW))) == "expired"


def test_a_token_from_the_future_is_refused_but_not_for_a_second(auth: JwtAuth) -> None:
    auth.authenticate("alice", sign(claims(iat=NOW + 1)), NOW)
    assert "iat" in refusal(auth, sign(claims(iat=NOW + 61)))


def test_leeway_moves_both_ends_and_the_grant(tmp_path: Path) -> None:
    auth = JwtAuth(secret_settings(tmp_path, leeway=5.0))
    assert auth.authenticate("alice", sign(claims(exp=NOW - 4.9)), NOW).expires_at == NOW - 4.9 + 5.0
    assert refusal(auth, sign(claims(exp=NOW - 5))) == "expired"
    auth.authenticate("alice", sign(claims(nbf=NOW + 5)), NOW)
    assert "nbf" in refusal(auth, sign(claims(nbf=NOW + 5.1)))


def test_the_clock_of_the_machine_is_not_asked(auth: JwtAuth) -> None:
    auth.authenticate("alice", sign(claims(exp=100, iat=10, nbf=10)), 50.0)
    auth.authenticate("alice", sign(claims(exp=9e9 + 1, iat=9e9, nbf=9e9)), 9e9)


# Where it comes from and whom it is for


@pytest.mark.parametrize("audience", ["gateway", ["other", "gateway"]])
def test_aud_may_be_one_or_among_several(tmp_path: Path, audience: Any) -> None:
    JwtAuth(secret_settings(tmp_path, audience="gateway")).authenticate("alice", sign(claims(aud=audience)), NOW)


@pytest.mark.parametrize("audience", [None, "other", ["other"], [], 7, {"gateway": 1}, "gateway "])
def test_aud_must_match_when_it_is_configured(tmp_path: Path, audience: Any) -> None:
    assert "aud" in refusal(JwtAuth(secret_settings(tmp_path, audience="gateway")), sign(claims(aud=audience)))


def test_a_token_for_somebody_is_refused_when_we_have_no_name(auth: JwtAuth) -> None:
    assert "auth.audience" in refusal(auth, sign(claims(aud="other service")))


@pytest.mark.parametrize("issuer", [None, "other", ["us"], 7])
def test_iss_must_match_when_it_is_configured(tmp_path: Path, issuer: Any) -> None:
    auth = JwtAuth(secret_settings(tmp_path, issuer="us"))
    auth.authenticate("alice", sign(claims(iss="us")), NOW)
    assert "iss" in refusal(auth, sign(claims(iss=issuer)))


def test_iss_may_be_anything_when_it_is_not_configured(auth: JwtAuth) -> None:
    auth.authenticate("alice", sign(claims(iss="whoever")), NOW)


# Algorithms


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_no_algorithm_is_no_signature(auth: JwtAuth, name: str) -> None:
    head, body, _ = by_hand({"alg": name, "typ": "JWT"}, claims(), SECRET).split(".")
    assert "alg" in refusal(auth, f"{head}.{body}.")
    assert "alg" in refusal(auth, by_hand({"alg": name}, claims(), b""))


@pytest.mark.parametrize("header", [{}, {"alg": None}, {"alg": ["HS256"]}, {"alg": {"HS256": 1}}, {"alg": 7}])
def test_an_algorithm_that_is_no_name_is_refused(auth: JwtAuth, header: Any) -> None:
    assert "token refused" in refusal(auth, by_hand(header, claims(), SECRET))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_only_configured_algorithms_count_even_with_the_right_key(auth: JwtAuth, algorithm: str) -> None:
    long_secret = sign(claims(), SECRET * 2, algorithm)
    assert "alg" in refusal(auth, long_secret)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("form", ["public_pem", "public_der"])
def test_a_public_key_is_no_secret(algorithm: str, form: str, tmp_path: Path) -> None:
    """The classic confusion: HS256 over the public key, which everybody knows."""
    keys = pair(algorithm)
    path = write(tmp_path / "key.pem", keys.public_pem)
    auth = JwtAuth(AuthConfig.model_construct(mode="jwt", key_file=path, algorithms=(algorithm,)))
    assert "alg" in refusal(auth, by_hand({"alg": "HS256"}, claims(), getattr(keys, form)))


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_is_no_secret_in_a_mixed_key_set_either(algorithm: str, tmp_path: Path) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk(algorithm, kid="public"), jwk("HS256", kid="secret")))
    forged = by_hand({"alg": "HS256", "kid": "public"}, claims(), pair(algorithm).public_pem)
    assert "alg" in refusal(auth, forged)
    crossed = sign(claims(), pair(algorithm).key, algorithm, kid="secret")
    assert "alg" in refusal(auth, crossed)


def test_a_key_that_a_token_brings_along_is_not_used(auth: JwtAuth) -> None:
    own = b"my own secret, of the right length!"
    header = {"alg": "HS256", "jwk": {"kty": "oct", "k": "eA"}, "jku": "http://127.0.0.1/", "x5u": "http://127.0.0.1/"}
    assert "Signature" in refusal(auth, by_hand(header, claims(), own))


# Key sets


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_single_key_needs_no_kid(algorithm: str, tmp_path: Path) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk(algorithm, kid="only")))
    auth.authenticate("alice", sign(claims(), signing_key(algorithm), algorithm), NOW)
    auth.authenticate("alice", sign(claims(), signing_key(algorithm), algorithm, kid="only"), NOW)
    assert "unknown kid" in refusal(auth, sign(claims(), signing_key(algorithm), algorithm, kid="other"))


def test_a_single_key_without_a_name_serves_any_kid(tmp_path: Path) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk("ES256")))
    auth.authenticate("alice", sign(claims(), pair("ES256").key, "ES256", kid="whatever"), NOW)


def test_kid_picks_among_several_keys(tmp_path: Path) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, *(jwk(name, kid=f"key {name}") for name in EVERY)))
    for name in EVERY:
        auth.authenticate("alice", sign(claims(), signing_key(name), name, kid=f"key {name}"), NOW)
    assert "no kid" in refusal(auth, sign(claims(), signing_key("HS256")))
    assert "unknown kid" in refusal(auth, sign(claims(), signing_key("HS256"), kid="key"))
    wrong = sign(claims(), pair("ES256", 1).key, "ES256", kid="key ES256")
    assert "Signature" in refusal(auth, wrong)


@pytest.mark.parametrize("kid", [7, ["a"], {"a": 1}, True])
def test_a_kid_that_is_no_text_is_refused(tmp_path: Path, kid: Any) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk("HS256", kid="a"), jwk("HS256", 1, kid="b")))
    assert "token refused" in refusal(auth, by_hand({"alg": "HS256", "kid": kid}, claims(), SECRET))


def test_what_a_kid_says_is_escaped_and_cut(tmp_path: Path) -> None:
    auth = JwtAuth(jwks_settings(tmp_path, jwk("HS256", kid="a")))
    reason = refusal(auth, sign(claims(), kid="\nlevel=info msg=granted \x1b[2J" + "ü" * 1000))
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) < 160


def test_rotation_with_both_keys_for_a_while(tmp_path: Path) -> None:
    old, new = (sign(claims(), pair("ES256", n).key, "ES256", kid=str(n)) for n in (0, 1))
    auth = JwtAuth(jwks_settings(tmp_path, jwk("ES256", 0, kid="0")))
    auth.authenticate("alice", old, NOW)
    assert "unknown kid" in refusal(auth, new)

    auth = JwtAuth(jwks_settings(tmp_path, jwk("ES256", 0, kid="0"), jwk("ES256", 1, kid="1")))
    auth.authenticate("alice", old, NOW)
    auth.authenticate("alice", new, NOW)

    auth = JwtAuth(jwks_settings(tmp_path, jwk("ES256", 1, kid="1")))
    assert "unknown kid" in refusal(auth, old)
    auth.authenticate("alice", new, NOW)
