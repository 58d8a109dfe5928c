"""Which trace a message belongs to, as its two headers say (W3C Trace Context, 2021); and who is told how it goes.

What is not in the form that the standard has is left out, as its §3.2 asks for: headers come from anybody, and here
they become headers of HTTP/2 that proxies, logs and tracing libraries read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

# Version, trace id, parent id, flags; a later version may go on after them (§4.3).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-[\x21-\x7e]{1,200})?"
)
# A list of members of other systems; its length is what §3.3.1.1 has everybody carry on.
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


def trace_of(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers of the trace that a message belongs to, none where it names none that is valid."""
    parent = headers.get(TRACEPARENT, "")
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or (match["more"] and parent.startswith("00")):
        return ()
    state = headers.get(TRACESTATE, "")
    if not _TRACESTATE.fullmatch(state):
        return ((TRACEPARENT, parent),)
    return (TRACEPARENT, parent), (TRACESTATE, state)


@runtime_checkable
class Placed(Protocol):
    """A call that is with an instance of its service."""

    @property
    def address(self) -> str:
        """Of the instance."""


class RequestTrace(Protocol):
    """The trace of one accepted request, which is told how it goes."""

    def call(
        self,
        call: Call,
        request: ServiceRequest,
        timeout: float,
        done: Done[UpstreamResponse],
        metadata: Metadata,
        /,
    ) -> Cancellable:
        """Have the service called, as a part of the trace."""

    def replied(self, reply: TerminalReply, bound: int, began: float, handed: Callable[[], bool], /) -> None:
        """Its reply is numbered, with so many notifies bound to it, in a step that began then (monotonic seconds).

        ``handed`` tells whether a connection has it.
        """


class StartTrace(Protocol):
    """The trace of one START, which is told what becomes of it, once."""

    def attached(self, session_id: str, result: str, /) -> None:
        """Its client has that session, and the answer: ``started``, ``resumed`` or ``reset``."""

    def refused(self, code: int, message: str, /) -> None:
        """Its client was told that."""

    def left(self) -> None:
        """The connection ended while it waited."""


class RequestTracer(Protocol):
    """Who traces what clients send."""

    def start(self, openid: str, headers: Mapping[str, str], came: float, /) -> StartTrace | None:
        """Trace a START whose bytes came then (monotonic seconds); None for one that is not traced."""

    def begin(self, request: ServiceRequest, metadata: Metadata, came: float, now: float, /) -> RequestTrace | None:
        """Trace a request that is accepted at ``now`` and whose bytes came before; None for one that is not traced."""

    def given_up(self, session_id: str, /) -> None:
        """The requests of a session get no reply any more."""


class PushTracer(Protocol):
    """Who traces the pushes of services.

    Each method is given what came with which metadata, and returns whom to tell the answer; None: it is not traced.
    """

    def push(
        self, request: UnicastPushRequest, metadata: Mapping[str, str], method: str, /
    ) -> Callable[[UnicastPushResponse], None] | None:
        """Trace a push, that came by the method of this name."""

    def batch(
        self, pushes: Sequence[UnicastPushRequest], metadata: Mapping[str, str], /
    ) -> Callable[[Sequence[UnicastPushResponse]], None] | None:
        """Trace pushes that came together."""

    def broadcast(
        self, request: BroadcastRequest, metadata: Mapping[str, str], /
    ) -> Callable[[BroadcastResponse], None] | None:
        """Trace a broadcast."""

    def push_to_group(
        self, request: GroupPushRequest, metadata: Mapping[str, str], /
    ) -> Callable[[GroupPushResponse], None] | None:
        """Trace a push to a group."""
