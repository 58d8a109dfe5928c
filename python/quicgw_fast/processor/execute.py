"""The step that a queued request and a login share: call the upstream in what time remains, and say what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode, PushType
from quicgw_fast.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse

    Call = Callable[[str, UpstreamRequest, float], Awaitable[UpstreamResponse]]
    """Call a service: name, request, remaining seconds. Raises RequestError."""

from quicgw_fast.processor.task import AsyncTask  # noqa: TC001 - part of the public signatures


@dataclass(slots=True, frozen=True)
class Outcome:
    """The one terminal reply of a request, not yet numbered."""

    push_type: PushType
    code: int
    message: str
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_error(cls, error: RequestError) -> Outcome:
        """The PUSH_ERROR that tells of ``error``."""
        return cls(PushType.ERROR, error.code, error.message, error.detail.encode(), error.headers)

    @classmethod
    def of_response(cls, response: UpstreamResponse) -> Outcome:
        """The PUSH_BUSINESS_DATA that passes an upstream's answer on, whatever its code."""
        return cls(PushType.BUSINESS_DATA, response.code, response.message, response.data, response.headers)


def too_late(task: AsyncTask) -> RequestError:
    """The error of a request whose deadline passed before its service was called."""
    return RequestError(
        ErrorCode.DEADLINE_PASSED, "deadline passed", f"{task.request.action} waited too long for its turn"
    )


async def execute(task: AsyncTask, call: Call, clock: Callable[[], float]) -> Outcome:
    """Call the task's service with the time that is left as the call's deadline (protocol §3)."""
    remaining = task.deadline - clock()
    try:
        if remaining <= 0:
            raise too_late(task)
        return Outcome.of_response(await call(task.service, task.request, remaining))
    except RequestError as error:
        return Outcome.of_error(error)
