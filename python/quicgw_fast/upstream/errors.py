"""How an upstream call can end without an answer; each error knows the code the client gets (protocol §3)."""

from __future__ import annotations

from typing import ClassVar

from quicgw_fast.codes import ErrorCode, RegisterCode
from quicgw_fast.errors import BusyError, GatewayError, RequestError

DEADLINE = "DEADLINE_EXCEEDED"
"""The gRPC status of a deadline that passed."""
TOO_SLOW = "it did not answer in time"
"""Why a call came to nothing whose deadline passed."""
_DETAIL_LIMIT = 256
_LEAST_WAIT = 0.1
"""Seconds after which to come back, at least."""


class UpstreamCallError(RequestError):
    """Base: no answer from an upstream, which the client is told by the code, the message and ``detail``.

    ``internal`` is for the log alone, as it may name addresses of the inside: one line of at most 256 characters.
    """

    code_of_all: ClassVar[ErrorCode] = ErrorCode.FAILED
    message_of_all: ClassVar[str] = "upstream failed"
    counter: ClassVar[str] = "upstream_unavailable"
    """What counts it."""

    def __init__(self, internal: str, detail: str | None = None) -> None:
        self.internal = " ".join(internal.split())[:_DETAIL_LIMIT]
        super().__init__(self.code_of_all, self.message_of_all, self.internal if detail is None else detail)

    def __str__(self) -> str:
        return self.internal


class NoInstance(UpstreamCallError):
    """No instance of the service is configured, registered or in service."""

    code_of_all = ErrorCode.OVERLOADED
    message_of_all = "upstream not available"

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__(f"no instance of {service}")


class UpstreamBusy(UpstreamCallError, BusyError):
    """A rule of overload refused the call; the client is told what the rule says."""

    counter = "upstream_busy"  # also each time that a login asks again

    def __init__(self, refusal: RequestError) -> None:
        self.internal = str(refusal)
        RequestError.__init__(
            self,
            refusal.code,
            refusal.message,
            refusal.detail,
            retry_after_ms=refusal.retry_after_ms,
            error_code=refusal.error_code,
        )


class UpstreamTimeout(UpstreamCallError):
    """The deadline passed before the answer came."""

    code_of_all = ErrorCode.DEADLINE_PASSED
    message_of_all = "deadline passed"
    counter = "upstream_timeouts"
    status = DEADLINE
    cause = TOO_SLOW

    def __init__(self, internal: str) -> None:
        super().__init__(internal, "the service did not answer in time")


class UpstreamFailed(UpstreamCallError):
    """The call failed: refused, broken off, a gRPC error, or an answer unreadable or too large.

    ``status`` is the gRPC status by name, or another short name where gRPC's would mislead; ``cause`` says in a few
    words what it means. ``never_sent``: the service surely saw nothing of the call, so that another may be called.
    """

    counter = "upstream_failures"

    def __init__(
        self,
        internal: str,
        status: str = "UNKNOWN",
        cause: str = "",
        detail: str | None = None,
        *,
        never_sent: bool = False,
    ) -> None:
        self.never_sent = never_sent
        self.status = status
        self.cause = cause or f"it answered with {status}"
        super().__init__(internal, detail or f"the service failed with {status}")


class StoppedAnswering(UpstreamFailed):
    """The call was given up, as its instance answers neither calls nor health checks; it may have run."""

    def __init__(self, address: str) -> None:
        what = "it stopped answering"
        super().__init__(f"{address}: {what}", "GIVEN_UP", what, "the service stopped answering")


class AtLimit(UpstreamBusy):
    """Every instance of the service has as many calls as it answers well."""

    def __init__(self, service: str, seconds: float) -> None:
        """``seconds`` are what a call takes there, after which there is room in all likelihood."""
        detail = f"every instance of {service} has as many calls under way as it answers well"
        after = int(max(seconds, _LEAST_WAIT) * 1000) + 1
        super().__init__(RequestError(ErrorCode.OVERLOADED, "upstream not available", detail, retry_after_ms=after))


class AnswerTooLarge(UpstreamFailed):
    """The answer of ``size`` bytes is refused, as no frame could carry it (protocol §3: 500)."""

    message_of_all = "upstream answer too large"

    def __init__(self, address: str, size: int) -> None:
        self.size = size
        what = f"the answer of {size} bytes is larger than a frame may be"
        super().__init__(f"{address}: {what}", "ANSWER_TOO_LARGE", what, what)


class RegisterRefused(GatewayError):
    """An upstream cannot be registered; ``error_code`` and the message go into its answer."""

    def __init__(self, error_code: RegisterCode, message: str) -> None:
        self.error_code = error_code
        super().__init__(message)


class GatewayCallFailed(GatewayError):
    """The gateway cannot be reached or failed; the message has its address and the gRPC status."""

    remedy = "is it running? --gateway names another address: the gateway's server.grpc"
    """What who runs a command can do."""


class GatewayLetsNobodyIn(GatewayCallFailed):
    """The gateway asks for a token, and was shown none of its own."""

    remedy = "--token-file names a file with one of its control.grpc_token_file"
