"""The step that a queued request and a login share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.codes import ErrorCode
from quicgw_fast.errors import RequestError
from quicgw_fast.processor import AsyncTask, execute
from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
from tests.support.clock import Clock, Face

if TYPE_CHECKING:
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Metadata


METADATA = (("x-request-id", "s1-9"),)


def at(now: float) -> Face:
    clock = Clock()
    clock.now = now
    return clock.face


def task(deadline: float = 130.0) -> AsyncTask:
    request = UpstreamRequest(session_id="s1", client_seq_id=9, action="act")
    return AsyncTask(SimpleNamespace(), 5, request, 0.0, deadline, metadata=METADATA)


def test_a_task_is_named_after_its_session_and_number() -> None:
    assert (task().task_id, task().seq_id) == ("s1-9", 9)


def never(request: UpstreamRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata) -> Cancellable:
    raise AssertionError("the deadline passed")


def test_the_call_gets_the_request_and_the_time_that_remains() -> None:
    seen = []
    under_way, told = SimpleNamespace(cancel=lambda: None), []

    def call(request: UpstreamRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata) -> Cancellable:
        seen.append((request.action, timeout, metadata))
        done(UpstreamResponse(code=201))
        return under_way

    assert execute(task(), told.append, call=call, clock=at(118.0)) is under_way
    assert (seen, told) == ([("act", 12.0, METADATA)], [UpstreamResponse(code=201)])


@pytest.mark.parametrize("now", [130.0, 130.1, 1e9])
def test_at_its_deadline_a_task_is_504_without_a_call(now: float) -> None:
    with pytest.raises(RequestError) as refused:
        execute(task(), never, call=never, clock=at(now))
    assert refused.value.code is ErrorCode.DEADLINE_PASSED


def test_what_the_call_refuses_is_not_hidden_here() -> None:
    def call(request: UpstreamRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata) -> Cancellable:
        raise RequestError(ErrorCode.OVERLOADED, "no instance", "none is up", retry_after_ms=7)

    with pytest.raises(RequestError, match="no instance"):
        execute(task(), never, call=call, clock=at(0.0))
