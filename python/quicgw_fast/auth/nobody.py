"""No authentication: every client is who it says it is."""

from __future__ import annotations

import logging

from quicgw_fast.auth.base import Grant

_log = logging.getLogger("quicgw.auth")


class NoAuth:
    """Accepts everybody, for ever. Outside of development it says so when it is made."""

    def __init__(self, *, dev: bool = False) -> None:
        """Warn once in the log, unless ``dev``."""
        if not dev:
            _log.warning(
                "authentication is OFF: any client may use any openid, and take over any session",
                extra={"remedy": 'set auth.mode = "jwt" and auth.key_file or auth.jwks_file'},
            )

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        """Grant ``openid`` without an end; the token is not looked at."""
        del token, wall
        return Grant(openid, None)
