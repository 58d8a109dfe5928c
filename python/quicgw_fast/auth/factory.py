"""From settings to an authenticator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.auth.nobody import NoAuth
from quicgw_fast.auth.tokens import JwtAuth
from quicgw_fast.errors import ConfigError

if TYPE_CHECKING:
    from quicgw_fast.auth.base import Authenticator
    from quicgw_fast.config import AuthConfig


def make_authenticator(settings: AuthConfig) -> Authenticator:
    """Make the authenticator of ``auth.mode``; reads the key files.

    Raises ConfigError for an unknown mode, and for settings or files that cannot be used.
    """
    if settings.mode == "none":
        return NoAuth()
    if settings.mode == "jwt":
        return JwtAuth(settings)
    raise ConfigError(f'auth.mode = "{settings.mode}" is unknown. Set it to "none" or "jwt".')
