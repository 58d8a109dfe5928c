"""What every authenticator answers, and the settings that choose one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quicgw_fast.errors import GatewayError


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
    zone: str = ""
    """The zone that the token names, where it is one that logs in; a whole number."""
    gid: str = ""
    """The group that it names, likewise."""


class Authenticator(Protocol):
    """Decides who a client is. Pure computation: no waiting, no clock of its own."""

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        """Check that ``token`` proves ``openid`` at ``wall`` (wall-clock seconds).

        Raises AuthRefused when it does not.
        """
        ...
