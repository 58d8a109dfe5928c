"""JSON Web Tokens (RFC 7519): the claim ``sub`` is the openid.

PyJWT checks the signature, with the key and the algorithm that *we* chose; the claims are checked here
against the time that the caller gives, so that nothing in this stage reads a clock.
"""

from __future__ import annotations

import hmac
import math
from typing import TYPE_CHECKING, Any, Final

import jwt
from jwt.exceptions import PyJWTError

from quicgw_fast.auth.base import AuthRefused, Grant
from quicgw_fast.auth.keys import KeyRing, check_algorithms, load_jwks_file, load_key_file
from quicgw_fast.config import warn_if_exposed
from quicgw_fast.errors import ConfigError, SettingError, about

if TYPE_CHECKING:
    from jwt.types import Options

    from quicgw_fast.auth.keys import VerifyKey
    from quicgw_fast.config import AuthConfig

MAX_TOKEN: Final = 4096
"""Characters. A START has 4 KiB in all (protocol §1), so that a longer token comes from somewhere else."""
LONGEST_GID: Final = 256
"""Characters, as an openid has bytes."""
MAX_LEEWAY: Final = 300.0
"""More leeway than this is a misunderstanding."""
IAT_SLACK: Final = 60.0
"""``iat`` does not limit validity (RFC 7519 §4.1.6), and an issuer's clock that runs a second ahead of ours
is not an attack: only a token from well in the future is refused, for its issuer's clock is wrong."""
NBF_SLACK: Final = 5.0
"""The same for ``nbf``, which is one: an issuer writes the moment of issue, and its clock may be ahead of ours.
A larger leeway counts instead."""

_SIGNATURE_ONLY: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
    "enforce_minimum_key_length": True,
}


class JwtAuth:
    """Accepts a client whose token is signed by one of the configured keys, names its openid, and is in its
    time.
    """

    def __init__(self, settings: AuthConfig) -> None:
        """Check the settings and read the key or the key set.

        Raises ConfigError, which says what is wrong, where, and what to do.
        """
        with about("auth", "algorithms"):
            check_algorithms(settings.algorithms, "auth.algorithms")
        if not 0.0 <= settings.leeway <= MAX_LEEWAY:
            raise ConfigError(f"auth.leeway = {settings.leeway} s is outside of 0 to {MAX_LEEWAY:.0f} s.")
        for name, value in (("audience", settings.audience), ("issuer", settings.issuer)):
            if value == "":
                told = f"auth.{name} is empty. Give the value that tokens carry, or remove the key."
                raise SettingError(("auth", name), told)
        self._settings = settings
        self._keys = _load_keys(settings)

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        """Check signature and claims at ``wall`` (wall-clock seconds).

        The grant ends when the token would be refused: at its ``exp``, plus the leeway.

        Raises AuthRefused when anything at all is wrong with the token.
        """
        if not token:
            raise AuthRefused("no token")
        if len(token) > MAX_TOKEN:
            raise AuthRefused(f"token of {len(token)} characters, {MAX_TOKEN} are allowed", "too long")
        if not token.isascii():
            raise AuthRefused("token is not a JWT: it is not ASCII")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = self._verified_claims(token, kid)
        except PyJWTError as error:
            raise AuthRefused(f"token refused: {_quoted(error)}", "invalid") from error
        self._check_subject(claims, openid)
        self._check_origin(claims)
        until = self._check_time(claims, wall)
        return Grant(openid, until, self._zone(claims), self._gid(claims))

    def _verified_claims(self, token: str, kid: str | None) -> dict[str, Any]:
        key: VerifyKey | None = self._keys.pick(kid)
        if key is None:
            if kid is None:
                raise AuthRefused("no kid, and several keys")
            raise AuthRefused(f"unknown kid {_quoted(kid)}", "unknown kid")
        return jwt.decode(token, key.material, algorithms=[key.algorithm], options=_SIGNATURE_ONLY)

    def _check_subject(self, claims: dict[str, Any], openid: str) -> None:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise AuthRefused("sub is missing or no text")
        # JSON can spell lone surrogates, which plain UTF-8 cannot encode.
        given, wanted = (text.encode("utf-8", "surrogatepass") for text in (subject, openid))
        if not hmac.compare_digest(given, wanted):
            raise AuthRefused("sub is another openid")

    def _check_origin(self, claims: dict[str, Any]) -> None:
        audience, issuer = self._settings.audience, self._settings.issuer
        meant_for = claims.get("aud")
        if audience is None:
            if meant_for is not None:
                raise AuthRefused("token has an audience (aud), and auth.audience is not set")
        elif audience != meant_for and not (isinstance(meant_for, list) and audience in meant_for):
            raise AuthRefused("aud is missing or another audience")
        if issuer is not None and claims.get("iss") != issuer:
            raise AuthRefused("iss is missing or another issuer")

    def _zone(self, claims: dict[str, Any]) -> str:
        """What ``auth.zone_claim`` names; a token need not have it."""
        name = self._settings.zone_claim
        zone = None if name is None else claims.get(name)
        if zone is None:
            return ""
        if type(zone) is int and -(1 << 63) <= zone < 1 << 63:  # a bool is an int as well
            return str(zone)
        raise AuthRefused(f"{name} is no whole number of 64 bits", "zone")

    def _gid(self, claims: dict[str, Any]) -> str:
        """What ``auth.gid_claim`` names, likewise."""
        name = self._settings.gid_claim
        gid = None if name is None else claims.get(name)
        if gid is None:
            return ""
        if isinstance(gid, str) and gid and len(gid) <= LONGEST_GID and gid.isprintable():
            return gid
        raise AuthRefused(f"{name} is no text of 1 to {LONGEST_GID} characters", "gid")

    def _check_time(self, claims: dict[str, Any], wall: float) -> float:
        """Return the wall second from which on the token is refused.

        Refused at ``exp`` already, not only after it (RFC 7519 §4.1.4).
        """
        leeway = self._settings.leeway
        expires, not_before, issued = (_numeric_date(claims, name) for name in ("exp", "nbf", "iat"))
        if expires is None:
            raise AuthRefused("exp is missing")
        if not wall < expires + leeway:
            raise AuthRefused("expired")
        if not_before is not None and wall + max(leeway, NBF_SLACK) < not_before:
            raise AuthRefused("not valid yet (nbf)")
        if issued is not None and wall + leeway + IAT_SLACK < issued:
            raise AuthRefused("issued in the future (iat)")
        return expires + leeway


def _load_keys(settings: AuthConfig) -> KeyRing:
    if settings.key_file is not None and settings.jwks_file is not None:
        raise ConfigError("auth.key_file and auth.jwks_file are both set. Remove one of them.")
    secret = "HS256" in settings.algorithms
    if settings.jwks_file is not None:
        with about("auth", "jwks_file"):
            ring = load_jwks_file(settings.jwks_file, settings.algorithms)
        warn_if_exposed(settings.jwks_file, "auth.jwks_file", secret=secret)
        return ring
    if settings.key_file is not None:
        with about("auth", "key_file"):
            key = load_key_file(settings.key_file, settings.algorithms)
        warn_if_exposed(settings.key_file, "auth.key_file", secret=secret)
        return KeyRing([key])
    raise ConfigError('auth.mode = "jwt" needs a key. Set auth.key_file or auth.jwks_file.')


def _numeric_date(claims: dict[str, Any], name: str) -> float | None:
    """Return a time claim in seconds.

    JSON as Python reads it has NaN, which is never over, and integers past any float.
    """
    value = claims.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(seconds := float(value)):
            return seconds
    except OverflowError:
        pass  # falls through to the refusal
    raise AuthRefused(f"{name} is not a number of seconds")


def _quoted(value: object) -> str:
    """Quote what came from a token in a log line: escaped, and cut to 128 characters."""
    return ascii(str(value)[:128])[:128]
