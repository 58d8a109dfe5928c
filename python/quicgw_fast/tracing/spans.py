"""The spans of what clients send and services push.

One request is one trace: ``request``, which goes on from the client's ``traceparent`` if it sent one, and below it

* ``receive``, from the bytes of its message until it is accepted,
* ``queue``, until a worker takes it (of a hello: until it is its turn),
* ``call``, the call of the service, which gets this span as its parent; a hello may make several,
* ``reply``, the step that numbers the reply with what is bound to it, until the connection has it.

A START is ``start``, from its bytes until it is answered, or its client is gone.

A push is a trace of its own, or a part of its sender's: ``push``, ``push batch``, ``broadcast`` or ``push to group``.
What is bound to a request which is traced has a link to that. Names and attributes are those of OpenTelemetry's
semantic conventions where there are any, else they begin with ``quicgw``.
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from quicgw_fast.codes import PushType
from quicgw_fast.errors import RequestError
from quicgw_fast.trace_context import TRACEPARENT, TRACESTATE, Placed, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

    from quicgw_fast.clock import Clock
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.ports import Call, Metadata, ServiceRequest, TerminalReply
    from quicgw_fast.proto.service_pb2 import (
        BroadcastRequest,
        BroadcastResponse,
        GroupPushRequest,
        GroupPushResponse,
        UnicastPushRequest,
        UnicastPushResponse,
        UpstreamResponse,
    )

LOOK: Final = 0.05
"""Seconds between two looks whether a connection that was congested has the reply."""
LONGEST: Final = 30.0
"""Seconds after which a reply that is not with any connection is taken to wait for its client."""

_CALL: Final = {
    "rpc.system": "grpc",
    "rpc.service": "gatesvr.proto.UpstreamService",
    "rpc.method": "ProcessRequest",
}
_PUSH: Final = {"rpc.system": "grpc", "rpc.service": "gatesvr.proto.GatewayService"}


class Spans:
    """Makes them: a ``RequestTracer`` and a ``PushTracer``."""

    def __init__(self, tracer: Tracer, clock: Clock, ratio: float) -> None:
        """``ratio`` of what has no parent is traced; else its parent's decision holds."""
        self._tracer = tracer
        self.clock = clock
        self._ratio = ratio
        self._open: dict[str, dict[int, RequestSpans]] = {}
        """Requests without a reply, by session and number."""
        self._session_of: dict[str, str] = {}
        """By openid, of those."""

    def begin(self, request: ServiceRequest, metadata: Metadata, came: float, now: float) -> RequestSpans | None:
        """See ``RequestTracer``."""
        parent = self._parent(dict(metadata))
        if parent is None:
            return None
        began = RequestSpans(self, request, dict(metadata)["x-request-id"], parent, came, now)
        self._open.setdefault(request.session_id, {})[request.client_seq_id] = began
        self._session_of[request.openid] = request.session_id
        return began

    def start(self, openid: str, headers: Mapping[str, str], came: float) -> StartSpan | None:
        """See ``RequestTracer``."""
        parent = self._parent(dict(trace_of(headers)))
        if parent is None:
            return None
        at = came + self.clock.wall() - self.clock.now()
        return StartSpan(self.span("start", parent, at, SpanKind.SERVER, network__transport="quic", user__id=openid))

    def given_up(self, session_id: str) -> None:
        """See ``RequestTracer``."""
        for spans in list(self._open.get(session_id, {}).values()):
            spans.give_up()

    def over(self, request: ServiceRequest) -> None:
        """A request has its reply, or gets none."""
        of_session = self._open.get(request.session_id, {})
        of_session.pop(request.client_seq_id, None)
        if not of_session and self._open.pop(request.session_id, None) is not None:
            self._session_of.pop(request.openid, None)

    def push(
        self, request: UnicastPushRequest, metadata: Mapping[str, str], method: str
    ) -> Callable[[UnicastPushResponse], None] | None:
        """See ``PushTracer``."""
        named = {"quicgw.push.target_type": request.target_type[:32], "quicgw.push.type": request.msg_type[:128]}
        span = self._of_service("push", metadata, method, named, [request])
        return None if span is None else partial(_pushed, span)

    def batch(
        self, pushes: Sequence[UnicastPushRequest], metadata: Mapping[str, str]
    ) -> Callable[[Sequence[UnicastPushResponse]], None] | None:
        """See ``PushTracer``."""
        span = self._of_service("push batch", metadata, "PushBatch", {"quicgw.pushes": len(pushes)}, pushes)
        return None if span is None else partial(_pushed_together, span)

    def broadcast(
        self, request: BroadcastRequest, metadata: Mapping[str, str]
    ) -> Callable[[BroadcastResponse], None] | None:
        """See ``PushTracer``."""
        named = {"quicgw.push.type": request.msg_type[:128]}
        span = self._of_service("broadcast", metadata, "BroadcastToClients", named, ())
        return None if span is None else partial(_broadcast, span)

    def push_to_group(
        self, request: GroupPushRequest, metadata: Mapping[str, str]
    ) -> Callable[[GroupPushResponse], None] | None:
        """See ``PushTracer``."""
        named = {"quicgw.push.type": request.msg_type[:128], "quicgw.group": request.group[:128]}
        span = self._of_service("push to group", metadata, "PushToGroup", named, ())
        return None if span is None else partial(_pushed_to_group, span)

    def _of_service(
        self,
        name: str,
        metadata: Mapping[str, str],
        method: str,
        named: Mapping[str, AttributeValue],
        pushes: Sequence[UnicastPushRequest],
    ) -> Span | None:
        """Begin the span of what a service asks for, with links to the requests that its ``pushes`` are bound to."""
        parent = self._parent(dict(trace_of(metadata)))
        if parent is None:
            return None
        bound = ((self._bound(push), push.bind_client_seq_id) for push in pushes if push.sync_hint)
        links = [Link(context, {"quicgw.request.number": number}) for context, number in bound if context is not None]
        return self._tracer.start_span(
            name, parent, SpanKind.SERVER, {**_PUSH, "rpc.method": method, **named}, links or None
        )

    def span(
        self, name: str, parent: Context, at: float, kind: SpanKind = SpanKind.INTERNAL, **named: AttributeValue
    ) -> Span:
        """Begin a span; ``at`` in seconds since 1970."""
        attributes = {name.replace("__", "."): value for name, value in named.items()}
        return self._tracer.start_span(name, parent, kind, attributes, start_time=_ns(at))

    def _parent(self, metadata: Mapping[str, str]) -> Context | None:
        """What the spans go on from, which may be nothing; None where there are to be none."""
        told = metadata.get(TRACEPARENT)
        if told is None:
            return trace.set_span_in_context(trace.INVALID_SPAN) if random.random() < self._ratio else None
        _, trace_id, span_id, flags, *_ = told.split("-")
        if not int(flags, 16) & TraceFlags.SAMPLED:
            return None
        state = TraceState.from_header([metadata.get(TRACESTATE, "")])
        context = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(TraceFlags.SAMPLED), state)
        return trace.set_span_in_context(NonRecordingSpan(context))

    def _bound(self, request: UnicastPushRequest) -> SpanContext | None:
        """The request to which a push is bound, if that is traced and has no reply yet."""
        target = request.target_id
        session_id = target if request.target_type == "session" else self._session_of.get(target, "")
        found = self._open.get(session_id, {}).get(request.bind_client_seq_id)
        return None if found is None else found.context


class StartSpan:
    """The span of one START (``StartTrace``)."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def attached(self, session_id: str, result: str) -> None:
        """See ``StartTrace``."""
        self._span.set_attributes({"quicgw.session.id": session_id, "quicgw.outcome": result})
        self._span.end()

    def refused(self, code: int, message: str) -> None:
        """See ``StartTrace``."""
        self._span.set_attributes({"quicgw.code": int(code), "quicgw.outcome": "error", "error.type": str(int(code))})
        self._span.set_status(Status(StatusCode.ERROR, message))
        self._span.end()

    def left(self) -> None:
        """See ``StartTrace``."""
        self._span.set_attribute("quicgw.outcome", "given up")
        self._span.set_status(Status(StatusCode.ERROR, "the connection ended before it was answered"))
        self._span.end()


class RequestSpans:
    """The spans of one request (``RequestTrace``)."""

    __slots__ = ("_below", "_calls", "_clock", "_offset", "_owner", "_queue", "_reply", "_request", "_root", "_until")

    def __init__(
        self, owner: Spans, request: ServiceRequest, request_id: str, parent: Context, came: float, now: float
    ) -> None:
        self._owner = owner
        self._request = request
        self._clock = owner.clock
        self._offset = owner.clock.wall() - owner.clock.now()
        """From monotonic seconds to those since 1970: one for all spans of a request, so that they fit together."""
        self._root = owner.span(
            "request",
            parent,
            came + self._offset,
            SpanKind.SERVER,
            network__transport="quic",
            user__id=request.openid,
            quicgw__session__id=request.session_id,
            quicgw__request__id=request_id,
            quicgw__request__number=request.client_seq_id,
            quicgw__action=request.action[:128],
        )
        self._below = trace.set_span_in_context(self._root)
        received = owner.span("receive", self._below, came + self._offset)
        received.end(_ns(now + self._offset))
        self._queue: Span | None = owner.span("queue", self._below, now + self._offset)
        self._calls: set[Span] = set()
        """Under way: one at most, or none."""
        self._reply: Span
        self._until = 0.0

    @property
    def context(self) -> SpanContext:
        """Of the request's own span."""
        return self._root.get_span_context()

    def call(
        self, call: Call, request: ServiceRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata
    ) -> Cancellable:
        """See ``RequestTrace``."""
        self._end_queue()
        span = self._owner.span("call", self._below, self._wall(), SpanKind.CLIENT)
        span.set_attributes(_CALL)
        self._calls.add(span)
        others = tuple(pair for pair in metadata if pair[0] not in {TRACEPARENT, TRACESTATE})
        ended = partial(self._called, span, done)
        try:
            under_way = call(request, timeout, ended, (*others, *_told(span.get_span_context())))
        except RequestError as error:
            self._end_call(span, error)
            raise
        if isinstance(under_way, Placed) and span.is_recording():
            host, _, port = under_way.address.rpartition(":")
            span.set_attributes({"server.address": host, "server.port": int(port)})
        return under_way

    def replied(self, reply: TerminalReply, bound: int, began: float, handed: Callable[[], bool]) -> None:
        """See ``RequestTrace``."""
        self._end_queue()
        self._owner.over(self._request)
        failed = reply.push_type is PushType.ERROR
        self._root.set_attributes({"quicgw.code": int(reply.code), "quicgw.outcome": "error" if failed else "answer"})
        if failed:
            self._root.set_attribute("error.type", str(int(reply.code)))
            self._root.set_status(Status(StatusCode.ERROR, reply.message))
        self._reply = self._owner.span("reply", self._below, began + self._offset)
        self._reply.set_attribute("quicgw.notifies", bound)
        self._until = self._clock.now() + LONGEST
        # A connection that has it makes its packets of it at the end of this turn of the loop.
        self._clock.call_later(0.0, partial(self._look, handed))

    def give_up(self) -> None:
        """There will be no reply."""
        self._owner.over(self._request)
        self._end_queue()
        for span in tuple(self._calls):
            self._calls.discard(span)
            span.set_status(Status(StatusCode.ERROR, "given up, as its session ended"))
            span.end(_ns(self._wall()))
        self._root.set_attribute("quicgw.outcome", "given up")
        self._root.set_status(Status(StatusCode.ERROR, "the session ended, or can only be reset"))
        self._root.end(_ns(self._wall()))

    def _look(self, handed: Callable[[], bool]) -> None:
        """End the trace if a connection has the reply, or it is kept for one that is away; else look again."""
        now = self._clock.now()
        there = handed()
        if not there and now < self._until:
            self._clock.call_later(LOOK, partial(self._look, handed))
            return
        self._reply.set_attribute("quicgw.delivery", "sent" if there else "retained")
        self._reply.end(_ns(now + self._offset))
        self._root.end(_ns(now + self._offset))

    def _called(self, span: Span, done: Done[UpstreamResponse], outcome: UpstreamResponse | Exception) -> None:
        self._end_call(span, outcome)
        done(outcome)

    def _end_call(self, span: Span, outcome: UpstreamResponse | Exception) -> None:
        if span not in self._calls:
            return
        self._calls.discard(span)
        if isinstance(outcome, Exception):
            span.set_attribute("error.type", type(outcome).__name__)
            span.set_status(Status(StatusCode.ERROR, str(getattr(outcome, "internal", outcome))))
        else:
            span.set_attributes({"rpc.grpc.status_code": 0, "quicgw.code": outcome.code})
        span.end(_ns(self._wall()))

    def _end_queue(self) -> None:
        if self._queue is not None:
            self._queue.end(_ns(self._wall()))
            self._queue = None

    def _wall(self) -> float:
        return self._clock.now() + self._offset


def _pushed(span: Span, answer: UnicastPushResponse) -> None:
    if answer.success:
        span.set_attribute("quicgw.outcome", answer.message)
    else:
        span.set_attribute("error.type", answer.error_code)
        span.set_status(Status(StatusCode.ERROR, answer.message))
    span.end()


def _pushed_together(span: Span, answers: Sequence[UnicastPushResponse]) -> None:
    refused = sum(not answer.success for answer in answers)
    span.set_attribute("quicgw.refused", refused)
    if refused:
        span.set_status(Status(StatusCode.ERROR, f"{refused} of {len(answers)} were refused"))
    span.end()


def _broadcast(span: Span, answer: BroadcastResponse) -> None:
    span.set_attribute("quicgw.sent", answer.sent_count)
    span.end()


def _pushed_to_group(span: Span, answer: GroupPushResponse) -> None:
    if not answer.success:
        span.set_attribute("error.type", answer.error_code)
        span.set_status(Status(StatusCode.ERROR, answer.message))
    span.set_attribute("quicgw.sent", answer.sent_count)
    span.end()


def _told(context: SpanContext) -> Metadata:
    """What a service is told of the span that calls it (W3C Trace Context)."""
    parent = (TRACEPARENT, f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")
    state = context.trace_state.to_header()
    return (parent, (TRACESTATE, state)) if state else (parent,)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
