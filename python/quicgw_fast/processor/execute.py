"""The step that a queued request and a login share: call the upstream in what time remains, and say what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from quicgw_fast.codes import ErrorCode, PushType
from quicgw_fast.errors import RequestError
from quicgw_fast.ports import TerminalReply

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.processor.task import AsyncTask, S
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse


class Call(Protocol):
    """How the service of a request is called."""

    async def __call__(self, request: UpstreamRequest, timeout: float, /) -> UpstreamResponse:
        """Call it once; ``timeout`` in seconds. Raises RequestError, which is the reply then."""


def too_late(task: AsyncTask[S]) -> RequestError:
    """The error of a request whose deadline passed before its service was called."""
    return RequestError(
        ErrorCode.DEADLINE_PASSED, "deadline passed", f"{task.request.action} waited too long for its turn"
    )


async def execute(task: AsyncTask[S], call: Call, clock: Clock) -> TerminalReply:
    """Call the task's service with the time that is left as the call's deadline (protocol §3)."""
    remaining = task.deadline - clock.now()
    try:
        if remaining <= 0:
            raise too_late(task)
        answer = await call(task.request, remaining)
        return TerminalReply(PushType.BUSINESS_DATA, answer.code, answer.message, answer.data, answer.headers)
    except RequestError as error:
        return TerminalReply.of_error(error)
