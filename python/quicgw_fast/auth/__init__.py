"""Authentication: is this client who it says it is, and until when?

One question, :meth:`Authenticator.authenticate`, with two makers of the answer: :class:`NoAuth` and
:class:`JwtAuth`.
"""

from __future__ import annotations

from quicgw_fast.auth.base import Authenticator, AuthRefused, Grant
from quicgw_fast.auth.factory import make_authenticator
from quicgw_fast.auth.issue import GeneratedKey, generate_key, issue_token
from quicgw_fast.auth.nobody import NoAuth
from quicgw_fast.auth.tokens import MAX_TOKEN, JwtAuth

__all__ = [
    "MAX_TOKEN",
    "AuthRefused",
    "Authenticator",
    "GeneratedKey",
    "Grant",
    "JwtAuth",
    "NoAuth",
    "generate_key",
    "issue_token",
    "make_authenticator",
]
