"""What a service raises to answer, and what is raised to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import BindCode, PushCode, RegisterCode, StoreCode
from quicgw_fast.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_CODE = 2**31 - 1


class ServiceError(GatewayError):
    """Raised by a handler: its request is answered with this code and message.

    200 means yes to a client, so no error has it; ``ValueError`` for it and for what is no code at all. A service
    chooses its other codes itself (docs/services.md has those that clients know).
    """

    def __init__(self, code: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        if type(code) is not int or not 1 <= code <= _LARGEST_CODE or code == 200:
            raise ValueError(f"{code!r} is no code of an error; write a whole number from 1 on, for example 403")
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class ServiceMistake(GatewayError):
    """The program that uses the service is wrong; the message says where, and what to write instead."""


class ServiceNotStarted(GatewayError):
    """The service cannot serve: its port is taken, or a file cannot be read. The message says what to do."""


class GatewayUnreachable(GatewayError):
    """A gateway could not be asked, or did not answer; what was asked of it may have happened all the same."""


class RegistrationRefused(GatewayError):
    """A gateway does not take the service in; ``error_code`` is one of ``codes.RegisterCode``."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


class GroupRefused(GatewayError):
    """A gateway refused to change a group, or to tell who is in it (protocol §4).

    ``error_code`` says why, ``retryable`` whether the same may succeed later.
    """

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(f"{error_code}: {message}")
        self.error_code = error_code
        self.message = message
        self.retryable = error_code in _RETRYABLE


class NotifyRefused(GatewayError):
    """A gateway refused a push (protocol §4): the client will not get it.

    ``error_code`` says why, ``retryable`` whether the same may succeed later.
    """

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(f"{error_code}: {message}")
        self.error_code = error_code
        self.message = message
        self.retryable = error_code in _RETRYABLE


class TargetMissing(NotifyRefused):
    """There is no such session, openid or gid, and nothing is kept for it."""


class WindowIsFull(NotifyRefused):
    """The client has not acknowledged enough of what it was sent, or not logged in yet: send less."""


class ResponseGone(NotifyRefused):
    """It should have gone before an answer that was sent already."""


class BindLimitReached(NotifyRefused):
    """Too much is bound to the request, to its session, or in all."""


_KINDS: dict[str, type[NotifyRefused]] = {
    PushCode.TARGET_NOT_FOUND: TargetMissing,
    PushCode.WINDOW_FULL: WindowIsFull,
    PushCode.CACHE_FULL: WindowIsFull,
    BindCode.RESPONSE_ALREADY_SENT: ResponseGone,
    BindCode.LIMIT: BindLimitReached,
}
_RETRYABLE = frozenset(str(code) for codes in (PushCode, BindCode, StoreCode) for code in codes if code.retryable)

_REMEDIES: dict[str, str] = {
    RegisterCode.BAD_SERVICE: 'its routing.mode is "service": write Service("hello", …) in the place of zones',
    RegisterCode.BAD_ZONE: 'its routing.mode is "zone": write Service(zones=["001", …]), of 001 to 006',
    RegisterCode.NOT_ALLOWED: "add the address to upstream.allow of the gateway",
    RegisterCode.OWN_ADDRESS: "choose another port to listen on",
    RegisterCode.BAD_ADDRESS: "say with advertise=… where the gateway reaches the service",
    RegisterCode.UNKNOWN_HOST: "advertise=… has to be a name that the gateway can look up, or a number",
    RegisterCode.DIRECTORY_FULL: "stop some of the instances that are there",
}


def notify_refused(error_code: str, message: str) -> NotifyRefused:
    """Make the exception of a refused push."""
    return _KINDS.get(error_code, NotifyRefused)(error_code, message)


def registration_refused(error_code: str, message: str) -> RegistrationRefused:
    """Make the exception of a refused registration, with what to do about it."""
    remedy = _REMEDIES.get(error_code)
    return RegistrationRefused(error_code, f"{error_code}: {message}" + (f"; {remedy}" if remedy else ""))
