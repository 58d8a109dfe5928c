"""What is wrong with a token that a gateway refused, as far as whoever shows it can see.

A gateway tells no client why, as a guesser must not learn which part was wrong. Most of it stands in the token, though,
which nobody but a gateway has to verify in order to read.
"""

from __future__ import annotations

import base64
import json
import math
import time
from pathlib import Path
from typing import Any, Final

from quicgw_fast.cli.tables import lasting
from quicgw_fast.printable import printable

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
"""What a gateway verifies."""
LONGEST: Final = 4096
"""Characters that a gateway reads (protocol §1)."""
AHEAD: Final = {"nbf": 5.0, "iat": 60.0}
"""Seconds that a token may be from the future, by its claims, unless the gateway is told otherwise."""
MAKE: Final = "make one with quicgw gentoken"
_PARTS: Final = 3
_PREFIX: Final = "bearer "
_LONGEST_NAME: Final = 64


def subject_of(token: str) -> str | None:
    """Return whom a token is for; None when it is not of the usual form, of which the gateway is the judge."""
    try:
        subject = _part(token, 1).get("sub")
    except ValueError:
        return None
    return subject if isinstance(subject, str) and subject else None


def why_refused(token: str, openid: str, wall: float) -> str:
    """Say what is wrong with ``token`` at ``wall`` (wall-clock seconds), or where to look, and what to do about it."""
    if not token:
        return "the gateway needs a token: give --token (see quicgw gentoken)"
    return _unlike_a_token(token) or _unfit(_part(token, 0), _part(token, 1), openid, wall)


def _unlike_a_token(token: str) -> str:
    """What makes it no JWT at all (RFC 7519 §3)."""
    if token.lower().startswith(_PREFIX):
        return f"the token begins with {token[: len(_PREFIX)]!r}: leave that out"
    if _names_a_file(token):
        return 'the token is the name of a file: give what is in it, --token "$(cat FILE)"'
    if len(token) > LONGEST:
        return f"the token has {len(token)} characters, and a gateway reads {LONGEST}: leave claims out"
    parts = token.split(".")
    if len(parts) != _PARTS or not all(parts):
        there = len([part for part in parts if part])
        told = f"the token is no JWT (HEADER.PAYLOAD.SIGNATURE), as it has {there} of {_PARTS} parts"
        return f"{told}: copy all of it, or {MAKE}"
    for at, name in enumerate(("header", "payload")):
        try:
            _part(token, at)
        except ValueError:
            return f"the token is no JWT, as its {name} cannot be read: copy all of it, or {MAKE}"
    return ""


def _unfit(header: dict[str, Any], claims: dict[str, Any], openid: str, wall: float) -> str:
    """What of a JWT no gateway takes; else what this one may want otherwise."""
    algorithm, subject = header.get("alg"), claims.get("sub")
    if algorithm not in ALGORITHMS:
        return f"the token is signed by {_shown(algorithm)}, and a gateway takes {', '.join(ALGORITHMS)}: {MAKE}"
    if not isinstance(subject, str) or not subject:
        return f"the token does not say whom it is for (claim sub, a text): {MAKE} OPENID"
    if subject != openid:
        return f"the token is for {_shown(subject)} (claim sub), and not for {_shown(openid)}: leave --openid out"
    return _untimely(claims, wall) or _strange(header, claims)


def _untimely(claims: dict[str, Any], wall: float) -> str:
    for name in ("exp", *AHEAD):
        value = claims.get(name)
        if value is None and name != "exp":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            kind = "has no end" if value is None else "has a time that is none"
            return f"the token {kind} (claim {name}, seconds since 1970): {MAKE}"
    if claims["exp"] <= wall:
        past = lasting(wall - claims["exp"])
        return f"the token expired {past} ago, at {_moment(claims['exp'])}: make another one with quicgw gentoken"
    for name, slack in AHEAD.items():
        if claims.get(name, wall) > wall + slack:
            left = lasting(claims[name] - wall)
            told = f"the token is not valid before {_moment(claims[name])}, in {left} (claim {name})"
            return f"{told}: wait, or look at the clock of whoever made it"
    return ""


def _strange(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """What is left, which only the gateway knows: its keys and whom it takes tokens from."""
    kid = f", kid {_shown(header['kid'])}" if "kid" in header else ""
    meant = "no audience" if "aud" not in claims else f"audience {_shown(claims['aud'])}"
    made = "no issuer" if "iss" not in claims else f"issuer {_shown(claims['iss'])}"
    return (
        f"form and times of the token are well, so its key ({header['alg']}{kid}), its audience or its issuer are not "
        f"the gateway's: it has {meant} and {made}; compare auth.key_file or auth.jwks_file, auth.algorithms, "
        "auth.audience and auth.issuer. The gateway's log says which (token refused)"
    )


def _part(token: str, at: int) -> dict[str, Any]:
    """Read a part; ValueError when it is no object."""
    parts = token.split(".")
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[at] + "=" * (-len(parts[at]) % 4)))
    except (LookupError, RecursionError) as error:
        raise ValueError(at) from error
    if not isinstance(found, dict):
        raise ValueError(at)
    return found


def _names_a_file(token: str) -> bool:
    try:
        return Path(token).is_file()
    except (OSError, ValueError):  # what no file can be called
        return False


def _moment(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):  # a year that no calendar has
        return f"{seconds:g} s since 1970"


def _shown(value: object) -> str:
    return repr(printable(value, _LONGEST_NAME)) if isinstance(value, str) else printable(str(value), _LONGEST_NAME)
