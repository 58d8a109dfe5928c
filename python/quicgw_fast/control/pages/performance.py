"""How much the gateway does, now and in the last five minutes, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.pages.described import SHAPE, DescribedRoute, Operation

if TYPE_CHECKING:
    from starlette.requests import Request

Report = Callable[[], Mapping[str, object]]


class Totals(TypedDict):
    """Since the start; the counters of ``/metrics`` that are named."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    requests: int
    """BUSINESS messages that were accepted (``quicgw_requests_total``)."""
    replies: int
    """Responses that were sent (``quicgw_replies_total``)."""
    errors: int
    """Errors that were sent for accepted requests (``quicgw_errors_total``)."""
    notifies: int
    """Notifies that were taken for a client (``quicgw_notifies_total``)."""
    refused: int
    """What rules refused, of all kinds (the sum of ``quicgw_refused_total``)."""
    bytes_in: int
    """Bytes of messages from clients (``quicgw_received_bytes_total``)."""
    bytes_out: int
    """Bytes of numbered messages to clients (``quicgw_sent_bytes_total``)."""


class SessionTotals(TypedDict):
    """How many sessions live."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    attached: int
    """With a client."""
    detached: int
    """Without one."""


class QueueState(TypedDict):
    """The queue of requests and its workers."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    length: int
    """Requests that wait."""
    capacity: int
    """Requests that may wait."""
    workers: int
    """Calls that may be under way."""
    busy: int
    """Calls that are."""


class ProcessState(TypedDict):
    """What the process takes."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    cpu: float
    """Processor time of the last second over that second: 1 is one core."""
    memory: int
    """Resident bytes."""
    descriptors: int
    """Descriptors that are open."""
    loop_lag: float
    """Seconds by which the event loop was late for a timer at the worst in the last second."""


class PerformanceRow(TypedDict):
    """About one second; rates are per second."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    at: float
    """Seconds since 1970."""
    requests: float
    """Per second, as are those below."""
    replies: float
    errors: float
    notifies: float
    refused: float
    bytes_in: float
    bytes_out: float
    sessions: int
    """How many live."""
    queue: int
    """Requests that wait."""
    cpu: float
    """As ``process`` has it."""
    memory: int
    loop_lag: float


class PerformanceAnswer(TypedDict):
    """What the gateway does."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    at: float
    """Seconds since 1970."""
    uptime: float
    """Seconds since the start."""
    totals: Totals
    sessions: SessionTotals
    queue: QueueState
    process: ProcessState
    history: list[PerformanceRow]
    """A row a second, the last 300, oldest first."""


class StageSummary(TypedDict):
    """Seconds of one stage."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    count: int
    """How many were measured: of decode, reply and flush one request in 16."""
    mean: float
    p50: float
    """Percentiles are wrong by 0.4 % at most; 0 where nothing was measured."""
    p95: float
    p99: float


class StageLatency(StageSummary):
    """Seconds of one stage, since the start and lately."""

    recent: StageSummary
    """The same of the last minute."""


class Stages(TypedDict):
    """The stages of a request, in their order."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    decode: StageLatency
    """From the bytes of the message until it is accepted and in its place."""
    queue: StageLatency
    """From there until a worker begins with it, logins included."""
    upstream: StageLatency
    """The call of its service, however it ended."""
    reply: StageLatency
    """The step that numbers, encodes and keeps the reply, and gives it to the connection."""
    flush: StageLatency
    """From there until the connection has made packets of it."""
    total: StageLatency
    """From the acceptance until the reply step: neither decode nor reply and flush are in it."""


class LatencyColumn(TypedDict):
    """Five seconds of ``total``."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    at: float
    """Seconds since 1970, of its end."""
    counts: list[int]
    """Requests by class: up to each of ``bounds`` and above the one before it, at last those above all."""


class LatencyAnswer(TypedDict):
    """How long requests take."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    version: int
    """Of this shape: 1."""
    stages: Stages
    bounds: list[float]
    """Seconds."""
    history: list[LatencyColumn]
    """A column for each 5 s, the last 60, oldest first: a heat map."""


def performance_pages(performance: Report, latency: Report) -> list[DescribedRoute]:
    """Return /performance and /latency; both reports can be written as JSON."""

    async def show_performance(_: Request) -> Response:
        return JSONResponse(performance())

    async def show_latency(_: Request) -> Response:
        return JSONResponse(latency())

    return [
        DescribedRoute("/performance", show_performance, Operation("GET", "What the gateway does", PerformanceAnswer)),
        DescribedRoute("/latency", show_latency, Operation("GET", "How long requests take", LatencyAnswer)),
    ]
