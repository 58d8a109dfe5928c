"""Errors that callers of the transport stage handle."""

from __future__ import annotations

from quicgw_fast.errors import GatewayError
from quicgw_fast.transport.problems import Problem


class ConnectFailed(GatewayError):
    """``dial`` got no connection; the message says where, why and what to do, ``problem`` why for programs."""

    def __init__(self, message: str, problem: Problem = Problem.OTHER, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.problem = problem
        self.retry_after = retry_after
        """Seconds after which to try again, where the peer says so."""
