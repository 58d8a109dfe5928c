"""``[auth]``: who may take which openid."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from quicgw_fast.config.tables.base import File, Section
from quicgw_fast.config.values import duration


class AuthConfig(Section):
    """``[auth]``: who may take which openid."""

    live: ClassVar = frozenset(
        {
            *("mode", "key_file", "jwks_file", "algorithms", "audience", "issuer", "leeway"),
            *("zone_claim", "gid_claim"),
        }
    )

    mode: Literal["none", "jwt"] = "none"
    """``none`` believes every client, and warns; ``jwt`` wants a signed token whose ``sub`` is the openid."""
    key_file: Annotated[File | None, Field(examples=["public.pem"])] = None
    """Secret (HS256) or PEM public key by which tokens are checked; ``jwt`` needs this or ``jwks_file``."""
    jwks_file: Annotated[File | None, Field(examples=["jwks.json"])] = None
    """JSON Web Key Set, instead of ``key_file``."""
    algorithms: Annotated[tuple[str, ...], Field(examples=[["HS256"]])] = ("HS256",)
    """Accepted signature algorithms: HS256, RS256, ES256, EdDSA."""
    audience: Annotated[str | None, Field(examples=["game"])] = None
    """The claim ``aud`` that a token must have; unless it is set, any."""
    issuer: Annotated[str | None, Field(examples=["https://login.example"])] = None
    """The claim ``iss`` that a token must have; unless it is set, any."""
    leeway: Annotated[float, duration("0s", "5m")] = 0.0
    """Clock difference that is forgiven when times in a token are checked; ``nbf`` may be 5 s ahead in any case."""
    login: Literal["hello", "token"] = "hello"
    """Who lets clients in: ``hello``, the service that answers their hello with 200, or ``token``: whoever starts with
    a good one is logged in by it, and the gateway itself answers hello."""
    zone_claim: Annotated[str | None, Field(examples=["zone"])] = None
    """The claim of the token that names the session's zone, for login by token: a whole number."""
    gid_claim: Annotated[str | None, Field(examples=["gid"])] = None
    """The claim that names its gid, to which services push: a text."""
