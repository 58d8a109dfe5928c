"""How an upstream call can end without an answer; each error knows the code the client gets (protocol §3)."""

from __future__ import annotations

from typing import ClassVar

from quicgw_fast.codes import ErrorCode, RegisterCode
from quicgw_fast.errors import GatewayError

_DETAIL_LIMIT = 256


class UpstreamError(GatewayError):
    """Base: no answer from an upstream. ``detail`` is one line of at most 256 characters."""

    code: ClassVar[ErrorCode] = ErrorCode.FAILED
    message: ClassVar[str] = "upstream failed"
    """What the client is told in a few words; ``public`` is the rest."""

    @property
    def public(self) -> str:
        """What a client may know: no address of the inside."""
        return self.detail

    def __init__(self, detail: str) -> None:
        self.detail = " ".join(detail.split())[:_DETAIL_LIMIT]
        super().__init__(self.detail)


class NoInstance(UpstreamError):
    """No instance of the service is configured, registered or in service."""

    code = ErrorCode.OVERLOADED
    message = "upstream not available"

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__(f"no instance of {service}")


class UpstreamBusy(UpstreamError):
    """As many calls to the service are under way as are allowed."""

    code = ErrorCode.OVERLOADED
    message = "upstream not available"

    def __init__(self, service: str, limit: int) -> None:
        self.service = service
        self.limit = limit
        super().__init__(f"{limit} calls to {service} are under way, which is the limit")


class UpstreamTimeout(UpstreamError):
    """The deadline passed before the answer came."""

    code = ErrorCode.DEADLINE_PASSED
    message = "deadline passed"

    @property
    def public(self) -> str:
        """What a client may know: no address of the inside."""
        return "the service did not answer in time"


class UpstreamFailed(UpstreamError):
    """The call failed: refused, broken off, a gRPC error, or an answer unreadable or too large.

    ``status`` is the gRPC status by name, or another short name where gRPC's would mislead; ``cause`` says in a few
    words what it means.
    """

    def __init__(self, detail: str, status: str = "UNKNOWN", cause: str = "") -> None:
        self.status = status
        self.cause = cause or f"it answered with {status}"
        super().__init__(detail)

    @property
    def public(self) -> str:
        """What a client may know: no address of the inside."""
        return f"the service failed with {self.status}"


class AnswerTooLarge(UpstreamFailed):
    """The answer of ``size`` bytes is refused, as no frame could carry it (protocol §3: 500)."""

    message = "upstream answer too large"

    def __init__(self, address: str, size: int) -> None:
        self.size = size
        what = f"the answer of {size} bytes is larger than a frame may be"
        super().__init__(f"{address}: {what}", "ANSWER_TOO_LARGE", what)

    @property
    def public(self) -> str:
        """What a client may know: no address of the inside."""
        return self.cause


class RegisterRefused(GatewayError):
    """An upstream cannot be registered; ``error_code`` and the message go into its answer."""

    def __init__(self, error_code: RegisterCode, message: str) -> None:
        self.error_code = error_code
        super().__init__(message)


class GatewayCallFailed(GatewayError):
    """The gateway cannot be reached or failed; the message has its address and the gRPC status."""
