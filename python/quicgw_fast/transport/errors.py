"""Errors that callers of the transport stage handle."""

from __future__ import annotations

from quicgw_fast.errors import GatewayError


class ConnectFailed(GatewayError):  # noqa: N818 - says what happened, as its users read it
    """``dial`` got no connection; the message says to where and why."""
