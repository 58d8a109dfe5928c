"""How a call over one connection ends without an answer; the compiled client raises none of them, but hands them out.

What they mean to others is said by ``explained``, in the errors of the stage.
"""

from __future__ import annotations

from quicgw_fast.upstream.causes import BROKE_OFF, HUNG_UP, of_status
from quicgw_fast.upstream.errors import DEADLINE, AnswerTooLarge, UpstreamFailed, UpstreamTimeout

# The names of gRPC's statuses, by number.
_STATUSES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


class CallFailure(Exception):
    """Base."""

    def explained(self, address: str, *, passed: bool) -> UpstreamTimeout | UpstreamFailed:
        """What became of the call to ``address``; ``passed``: its deadline did, by our own clock."""
        raise NotImplementedError


class StatusFailure(CallFailure):
    """The service ended the call with a gRPC status, or did what gRPC has that status for."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.status = _STATUSES[code] if 0 < code < len(_STATUSES) else "UNKNOWN"
        self.message = message

    def explained(self, address: str, *, passed: bool) -> UpstreamTimeout | UpstreamFailed:
        """See ``CallFailure``."""
        cause = of_status(self.status)
        if self.status == DEADLINE:
            if passed:
                return UpstreamTimeout(f"{address} did not answer in time")
            cause = f"it answered with {DEADLINE} before the deadline"  # one of its own, of a database for example
        return UpstreamFailed(f"{address}: {self.status}: {self.message or 'no details'}", self.status, cause)


class AnswerOverLimit(CallFailure):
    """The answer is larger than the connection takes; of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size

    def explained(self, address: str, *, passed: bool) -> UpstreamFailed:  # noqa: ARG002
        """See ``CallFailure``."""
        return AnswerTooLarge(address, self.size)


class NeverSent(CallFailure):
    """The connection took no more calls before this one went out: it can be made over another one."""


class NeverLookedAt(CallFailure):
    """The service said that it did not look at the call: it can be made again."""

    def explained(self, address: str, *, passed: bool) -> UpstreamFailed:  # noqa: ARG002
        """See ``CallFailure``."""
        return UpstreamFailed(f"{address}: UNAVAILABLE: it refused the call twice", "UNAVAILABLE")


class ConnectionBroken(CallFailure):
    """The connection broke off with the call under way."""

    def explained(self, address: str, *, passed: bool) -> UpstreamFailed:  # noqa: ARG002
        """See ``CallFailure``."""
        return UpstreamFailed(f"{address}: UNAVAILABLE: {self}", "UNAVAILABLE", BROKE_OFF)


class HungUp(CallFailure):
    """The gateway closed the channel."""

    def explained(self, address: str, *, passed: bool) -> UpstreamFailed:  # noqa: ARG002
        """See ``CallFailure``."""
        return UpstreamFailed(f"{address}: {HUNG_UP}", "CANCELLED", HUNG_UP)


class DeadlinePassed(CallFailure):
    """The deadline passed before the answer came."""

    def explained(self, address: str, *, passed: bool) -> UpstreamTimeout:  # noqa: ARG002
        """See ``CallFailure``."""
        return UpstreamTimeout(f"{address} did not answer in time")


class NotConnected(CallFailure):
    """There is no connection, for a ``cause`` in the words of ``upstream.causes``."""

    def __init__(self, cause: str, details: str) -> None:
        super().__init__(details)
        self.cause = cause

    def explained(self, address: str, *, passed: bool) -> UpstreamFailed:  # noqa: ARG002
        """See ``CallFailure``."""
        return UpstreamFailed(f"{address}: UNAVAILABLE: {self}", "UNAVAILABLE", self.cause)
