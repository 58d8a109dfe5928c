"""How a call over one connection ends without an answer; the compiled client raises none of them, but hands them out.

What they mean to others is said by ``explained``, in the errors of the stage.
"""

from __future__ import annotations

from typing import ClassVar

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
    """Base; the message says what happened."""

    status: str = "UNAVAILABLE"
    """The gRPC status by name."""
    cause: str = ""
    """What it means, in the words of ``upstream.causes``; empty for what the status means."""
    never_sent: ClassVar[bool] = False
    """Whether the service surely did nothing for the call."""

    def explained(self, address: str, *, passed: bool) -> UpstreamTimeout | UpstreamFailed:  # noqa: ARG002
        """What became of the call to ``address``; ``passed``: its deadline did, by our own clock."""
        internal = f"{address}: {self.status}: {self}"
        return UpstreamFailed(internal, self.status, self.cause, never_sent=self.never_sent)


class StatusFailure(CallFailure):
    """The service ended the call with a gRPC status, or did what gRPC has that status for."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message or "no details")
        self.status = _STATUSES[code] if 0 < code < len(_STATUSES) else "UNKNOWN"
        self.cause = of_status(self.status)

    def explained(self, address: str, *, passed: bool) -> UpstreamTimeout | UpstreamFailed:
        """See ``CallFailure``."""
        if self.status == DEADLINE:
            if passed:
                return UpstreamTimeout(f"{address} did not answer in time")
            # One of its own, of a database for example.
            self.cause = f"it answered with {DEADLINE} before the deadline"
        return super().explained(address, passed=passed)


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

    never_sent = True

    def __init__(self) -> None:
        super().__init__("it was not sent")


class NeverLookedAt(CallFailure):
    """The service said that it did not look at the call: it can be made again."""

    never_sent = True

    def __init__(self) -> None:
        super().__init__("it was refused, and refused again")


class ConnectionBroken(CallFailure):
    """The connection broke off with the call under way."""

    cause = BROKE_OFF


class HungUp(CallFailure):
    """The gateway closed the channel."""

    status = "CANCELLED"
    cause = HUNG_UP

    def __init__(self) -> None:
        super().__init__(HUNG_UP)


class NotConnected(CallFailure):
    """There is no connection, for a ``cause``."""

    never_sent = True

    def __init__(self, cause: str, details: str) -> None:
        super().__init__(details)
        self.cause = cause


class DeadlinePassed(CallFailure):
    """The deadline passed before the answer came."""

    def explained(self, address: str, *, passed: bool) -> UpstreamTimeout:  # noqa: ARG002
        """See ``CallFailure``."""
        return UpstreamTimeout(f"{address} did not answer in time")
