"""What every authenticator answers, and the settings that choose one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from pathlib import Path


class AuthRefused(GatewayError):
    """This client may not use this openid.

    ``reason`` is for the log alone: what a guesser learns from a reply is that the answer is no. It never
    holds the token, and what it quotes from one is escaped and cut. ``kind`` is the reason without what it quotes:
    there are few of them.
    """

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind or reason


@dataclass(frozen=True, slots=True)
class Grant:
    """A yes."""

    openid: str
    expires_at: float | None
    """Wall-clock seconds from which on it is a no; ``None``: never."""


class Authenticator(Protocol):
    """Decides who a client is. Pure computation: no waiting, no clock of its own."""

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        """Check that ``token`` proves ``openid`` at ``wall`` (wall-clock seconds).

        Raises AuthRefused when it does not.
        """
        ...


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """The ``[auth]`` table (protocol §7)."""

    mode: str = "none"
    """``"none"`` or ``"jwt"``."""
    key_file: Path | None = None
    """HS256: the raw secret. RS256, ES256, EdDSA: a PEM public key or certificate. Exactly one of this and
    ``jwks_file``."""
    jwks_file: Path | None = None
    """A JSON Web Key Set (RFC 7517); the token's ``kid`` picks the key, so that keys can be rotated."""
    algorithms: tuple[str, ...] = ("HS256",)
    """The algorithms that are accepted, whatever a token says of itself."""
    audience: str | None = None
    """If set, a token's ``aud`` must be or contain it. If not, a token must have none (RFC 7519 §4.1.3)."""
    issuer: str | None = None
    """If set, a token's ``iss`` must be it."""
    leeway: float = 0.0
    """Seconds by which the issuer's clock may differ from ours, for ``exp`` and ``nbf``. 0: an expired token
    is expired; ``nbf`` is forgiven five seconds in any case."""
    dev: bool = False
    """Development: ``mode = "none"`` needs no warning."""
