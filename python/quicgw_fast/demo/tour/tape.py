"""A tape of one client: every message as it came over the wire, before the SDK looks at it.

What the demonstration shows is checked from here, so that an error in the SDK cannot hide one of the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from quicgw_fast.proto.client_pb2 import (
    PUSH_BUSINESS_DATA,
    PUSH_ERROR,
    PUSH_HEARTBEAT_RESP,
    PUSH_START_RESP,
    BusinessResponse,
    ErrorMessage,
    StartResponse,
)

if TYPE_CHECKING:
    from quicgw_fast.proto.client_pb2 import ClientRequest, ServerPush


class TapeKind(StrEnum):
    """What a message from the gateway is."""

    START = "start"
    HEARTBEAT = "heartbeat"
    REPLY = "reply"
    ERROR = "error"
    NOTIFY = "notify"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message from the gateway."""

    link: int
    """Which connection of this client, from 1."""
    kind: TapeKind
    seq_id: int = 0
    msg_id: int = 0
    code: int = 0
    text: str = ""
    """The message of a reply, an error or a notify."""
    payload: bytes = b""
    replay_from: int = 0
    """Of a START: the first number that follows on this connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message to the gateway; ``type`` is a RequestType."""

    link: int
    type: int
    msg_id: int = 0
    seq_id: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended."""

    code: int
    reason: str
    by_peer: bool


@dataclass(slots=True)
class Tape:
    """Everything that one client sent and received, over all its connections."""

    name: str
    sent: list[Sent] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    links: int = 0

    def connection_up(self, connection: int) -> None:
        """Begin with the messages of one more connection."""
        self.links = connection

    def request_sent(self, connection: int, request: ClientRequest) -> None:
        """Write down what the client sent."""
        sent = Sent(link=connection, type=int(request.type), msg_id=request.msg_id, seq_id=request.seq_id)
        self.sent.append(sent)

    def push_received(self, connection: int, push: ServerPush) -> None:
        """Write down what came, before the SDK looks at it."""
        self.received.append(read(push, connection))

    def connection_down(self, connection: int, code: int, reason: str, by_peer: bool) -> None:  # noqa: ARG002
        """Write down how a connection ended."""
        self.closed.append(Closed(code, reason, by_peer))


def read(push: ServerPush, link: int) -> Received:
    """Turn an envelope into what the tape holds."""
    common: dict[str, Any] = {"link": link, "seq_id": push.seq_id, "msg_id": push.msg_id, "payload": push.payload}
    if push.type == PUSH_START_RESP:
        return Received(kind=TapeKind.START, replay_from=StartResponse.FromString(push.payload).replay_from, **common)
    if push.type == PUSH_HEARTBEAT_RESP:
        return Received(kind=TapeKind.HEARTBEAT, **common)
    if push.type == PUSH_ERROR:
        error = ErrorMessage.FromString(push.payload)
        return Received(kind=TapeKind.ERROR, code=error.error_code, text=error.error_message, **common)
    if push.type == PUSH_BUSINESS_DATA:
        answer = BusinessResponse.FromString(push.payload)
        kind = TapeKind.REPLY if push.msg_id else TapeKind.NOTIFY
        return Received(kind=kind, code=answer.code, text=answer.message, **common)
    return Received(kind=TapeKind.UNKNOWN, **common)
