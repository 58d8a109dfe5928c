"""The step that a queued request and a login share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from quicgw_fast.codes import ErrorCode, PushType
from quicgw_fast.errors import RequestError
from quicgw_fast.ports import TerminalReply
from quicgw_fast.processor import AsyncTask, execute
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from tests.support.clock import Clock, Face


def at(now: float) -> Face:
    clock = Clock()
    clock.now = now
    return clock.face


def task(deadline: float = 130.0) -> AsyncTask:
    request = UpstreamRequest(session_id="s1", client_seq_id=9, action="act")
    return AsyncTask(SimpleNamespace(), 5, request, 0.0, deadline)


def test_a_task_is_named_after_its_session_and_number() -> None:
    assert (task().task_id, task().seq_id) == ("s1-9", 9)


async def test_the_call_gets_the_request_and_the_time_that_remains() -> None:
    seen = []

    async def call(request: UpstreamRequest, remaining: float) -> UpstreamResponse:
        seen.append((request.action, remaining))
        return UpstreamResponse(code=201, message="m", data=b"d", headers={"k": "v"})

    outcome = await execute(task(), call, at(118.0))
    assert seen == [("act", 12.0)]
    assert (outcome.push_type, outcome.code, outcome.message, outcome.data) == (PushType.BUSINESS_DATA, 201, "m", b"d")
    assert dict(outcome.headers) == {"k": "v"}


@pytest.mark.parametrize("now", [130.0, 130.1, 1e9])
async def test_at_its_deadline_a_task_is_504_without_a_call(now: float) -> None:
    async def call(request: UpstreamRequest, remaining: float) -> UpstreamResponse:
        raise AssertionError("the deadline passed")

    outcome = await execute(task(), call, at(now))
    assert (outcome.push_type, outcome.code) == (PushType.ERROR, 504)


async def test_what_the_call_refuses_is_the_outcome() -> None:
    async def call(request: UpstreamRequest, remaining: float) -> UpstreamResponse:
        raise RequestError(ErrorCode.OVERLOADED, "no instance", "none is up", retry_after_ms=7)

    outcome = await execute(task(), call, at(0.0))
    assert outcome == TerminalReply(PushType.ERROR, 503, "no instance", b"none is up", {"retry-after-ms": "7"})


async def test_a_bug_is_not_hidden_here() -> None:
    async def call(request: UpstreamRequest, remaining: float) -> UpstreamResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await execute(task(), call, at(0.0))
