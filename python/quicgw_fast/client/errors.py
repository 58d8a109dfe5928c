"""What the SDK raises: one base, an error reply of the gateway by its code, and what happens to a connection.

Every error can be copied (``copy.copy``), because one cause may end many calls at once and each of them
raises an exception of its own.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from quicgw_fast.client.headers import whole
from quicgw_fast.codes import CloseCode, ErrorCode, ResetReason
from quicgw_fast.errors import GatewayError
from quicgw_fast.transport import Problem, told_address, told_delay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.client.messages import GapReport

RETRY_AFTER = "retry-after-ms"
ERROR_CODE = "error-code"


class QuicgwClientError(GatewayError):
    """Base of everything that the client raises on purpose."""


class ReplyError(QuicgwClientError):
    """The gateway answered with an error (protocol §3): the one terminal reply of that request.

    code: as HTTP's (400, 401, 403, 413, 429, 500, 503, 504); message, detail: the gateway's words;
    headers: of the reply. Known codes have a subclass of their own.
    """

    seq_id: int = 0
    """The reply's number in the session's order (protocol §4), 0 for one without a number."""

    def __init__(
        self, code: int, message: str = "", detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, detail, headers)
        self.code = code
        self.message = message
        self.detail = detail
        self.headers: dict[str, str] = dict(headers or {})

    def __str__(self) -> str:
        text = f"{self.code} {self.message}".rstrip()
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to try again (header ``retry-after-ms``), None when the gateway did not say."""
        milliseconds = whole(self.headers, RETRY_AFTER)
        return None if milliseconds is None else milliseconds / 1000


class BadRequest(ReplyError):
    """400: the request was not understood."""


class Unauthorized(ReplyError):
    """401: not logged in, or the token was refused."""


class Forbidden(ReplyError):
    """403: the session's state forbids it."""


class AlreadyOnline(Forbidden):
    """403 to START: another client of the openid is online, and this gateway has nobody take its session over.

    A client that comes back to a session of its own is not refused, nor is anybody once the other one is gone.
    """


class TooLarge(ReplyError):
    """413: the message is over the frame limit. The client raises it itself, before anything is sent."""


class RateLimited(ReplyError):
    """429: over this session's rate or in-flight limit, and ``retry_after`` is more than the call had left."""


class UpstreamError(ReplyError):
    """500: the call of the upstream service failed."""


class Overloaded(ReplyError):
    """503: the gateway has no room or no instance for it; see ``retry_after``."""


def no_notify(timeout: float | None) -> TimeoutError:
    """Return what next_notify() raises after ``timeout`` seconds."""
    assert timeout is not None
    return TimeoutError(f"no notify came within {timeout:g} s; the connection may be well all the same")


class DeadlineExceeded(ReplyError, TimeoutError):
    """504: the gateway gave the request up at its deadline."""


class CallTimeout(QuicgwClientError, TimeoutError):
    """No reply came within the call's timeout (seconds).

    sent: whether the request ran is unknown; False: it waited all the time and did not run.
    """

    def __init__(self, action: str, timeout: float, sent: bool = True) -> None:
        super().__init__(action, timeout, sent)
        self.action = action
        self.timeout = timeout
        self.sent = sent

    def __str__(self) -> str:
        text = f"no reply to {self.action!r} within {self.timeout:g} s"
        why = "it waited for a connection, or for its turn within the gateway's limits"
        return text if self.sent else f"{text}: it was not sent, {why}"


class ConnectionFailed(QuicgwClientError, ConnectionError):
    """No connection to the gateway could be made; the message says why and what to do.

    problem: why, for programs; retry_after: seconds after which to try again, None when the gateway did not say.
    """

    def __init__(self, message: str, problem: Problem = Problem.OTHER, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.problem = problem
        self.retry_after = retry_after

    @property
    def reconnect_to(self) -> str | None:
        """Where a gateway that stops sends its clients, as it says it; None where it does not."""
        return told_address(str(self)) if self.problem is Problem.DRAINING else None


class ConnectionClosed(QuicgwClientError, ConnectionError):
    """The connection has ended and the client does not come back (protocol §6).

    code: the QUIC close code, a CloseCode when it is one of the protocol's; reason: the close phrase.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        text = f"connection closed: {self.reason or close_name(self.code)}"
        return f"{text} (the gateway has no room now: try again later)" if self.code == CloseCode.OVERLOADED else text

    @property
    def problem(self) -> Problem:
        """As in ConnectionFailed: a gateway may accept a connection only to say why it refuses it."""
        return _PROBLEMS.get(self.code, Problem.OTHER)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to try again, None when the gateway did not say."""
        return told_delay(self.reason) if self.code in _SAYING_WHEN else None

    @property
    def reconnect_to(self) -> str | None:
        """Where a gateway that stops sends its clients, as it says it; None where it does not."""
        return told_address(self.reason) if self.code == CloseCode.DRAINING else None


class Superseded(ConnectionClosed):
    """0x103: another client of the openid took the session over, or the place of this device; ``reason`` says which."""


class ReceiveQueueFull(ConnectionClosed):
    """The receive queue was full under the policy ``fail``, or far more came than was acknowledged."""

    def __init__(self, capacity: int) -> None:
        super().__init__(CloseCode.NORMAL, f"receive queue full ({capacity} notifies unread)")
        self.args = (capacity,)
        self.capacity = capacity


class Draining(QuicgwClientError):
    """The client takes no new calls since drain()."""

    def __str__(self) -> str:
        return "the client is draining: no new calls are taken"


class SessionReset(QuicgwClientError):
    """The session could not be resumed while this call was in flight: whether the request ran is unknown.

    reason: a ResetReason, or the bare number of one that this version does not know;
    gap: what the gateway says was missed, None when it did not say.
    """

    def __init__(self, reason: int, gap: GapReport | None = None) -> None:
        super().__init__(reason, gap)
        self.reason = reason
        self.gap = gap

    def __str__(self) -> str:
        return f"the session was reset ({reset_name(self.reason)}); it is unknown whether the call ran"


class ProtocolFailure(QuicgwClientError):
    """The gateway broke the wire protocol; the connection is dropped and the session resumed."""


class NumberGap(ProtocolFailure):
    """A message's number is not the next one: something between is missing."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"message {self.got} came where {self.expected} was due"


_SAYING_WHEN = (CloseCode.OVERLOADED, CloseCode.DRAINING)
_PROBLEMS: dict[int, Problem] = {CloseCode.OVERLOADED: Problem.FULL, CloseCode.DRAINING: Problem.DRAINING}

_BY_CODE: dict[int, type[ReplyError]] = {
    ErrorCode.BAD_REQUEST: BadRequest,
    ErrorCode.UNAUTHORIZED: Unauthorized,
    ErrorCode.FORBIDDEN: Forbidden,
    ErrorCode.TOO_LARGE: TooLarge,
    ErrorCode.RATE_LIMITED: RateLimited,
    ErrorCode.FAILED: UpstreamError,
    ErrorCode.OVERLOADED: Overloaded,
    ErrorCode.DEADLINE_PASSED: DeadlineExceeded,
}


def reply_error(code: int, message: str = "", detail: str = "", headers: Mapping[str, str] | None = None) -> ReplyError:
    """Make the error of the class that stands for ``code``, ReplyError itself for an unknown one."""
    return _BY_CODE.get(code, ReplyError)(code, message, detail, headers)


def start_refusal(code: int, message: str, detail: str, headers: Mapping[str, str]) -> ReplyError:
    """Make the error of a refused START: the reason may have a name beside its code."""
    if headers.get(ERROR_CODE) == CloseCode.ALREADY_ONLINE.name:
        return AlreadyOnline(code, message, detail, headers)
    return reply_error(code, message, detail, headers)


def connection_closed(code: int, reason: str) -> ConnectionClosed:
    """Make the error of the class that stands for a close code, ConnectionClosed itself for most of them."""
    return (Superseded if code == CloseCode.SUPERSEDED else ConnectionClosed)(code, reason)


def ended_by(cause: QuicgwClientError | None) -> QuicgwClientError:
    """Make the error of one call whose client ended for ``cause``, None: because the application closed it."""
    if cause is None:
        return ConnectionClosed(CloseCode.NORMAL, "NORMAL: closed by this client")
    if isinstance(cause, ConnectionClosed):
        return copy.copy(cause)
    closed = ConnectionClosed(CloseCode.NORMAL, str(cause))
    closed.__cause__ = cause
    return closed


def close_name(code: int) -> str:
    """Return the protocol's name of a close code, ``code 0x…`` for any other number."""
    return CloseCode(code).name if code in CloseCode.__members__.values() else f"code 0x{code:x}"


def reset_name(reason: int) -> str:
    """Return the protocol's name of a reset reason, ``reason N`` for any other number."""
    return ResetReason(reason).name if reason in ResetReason.__members__.values() else f"reason {reason}"
