"""The step that every queued request takes: its service is called in what time remains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError

if TYPE_CHECKING:
    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Call
    from quicgw_fast.processor.task import AsyncTask, S
    from quicgw_fast.proto.service_pb2 import UpstreamResponse


def too_late(task: AsyncTask[S]) -> RequestError:
    """The error of a request whose deadline passed before its service was called."""
    return RequestError(
        ErrorCode.DEADLINE_PASSED, "deadline passed", f"{task.request.action} waited too long for its turn"
    )


def execute(task: AsyncTask[S], done: Done[UpstreamResponse], *, call: Call, clock: Clock) -> Cancellable:
    """Call the task's service with the time that is left as the call's deadline (protocol §3).

    Raises RequestError where it cannot be called.
    """
    remaining = task.deadline - clock.now()
    if remaining <= 0:
        raise too_late(task)
    if task.trace is not None:
        return task.trace.call(call, task.request, remaining, done, task.metadata)
    return call(task.request, remaining, done, task.metadata)
