"""A tape between the transport and the SDK: every message as it came over the wire, before the SDK looks at it.

What the demonstration shows is checked from here, so that an error in the SDK cannot hide one of the gateway.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from quicgw_fast.backend import FrameDecoder
from quicgw_fast.client import link as sdk_link
from quicgw_fast.proto.client_pb2 import (
    PUSH_BUSINESS_DATA,
    PUSH_ERROR,
    PUSH_HEARTBEAT_RESP,
    PUSH_START_RESP,
    BusinessResponse,
    ClientRequest,
    ErrorMessage,
    ServerPush,
    StartResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicgw_fast.transport import Connection, ConnectionHandler, HandlerFactory

MAX_BODY = 1 << 20


class Kind(StrEnum):
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
    kind: Kind
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


_current: ContextVar[Tape] = ContextVar("tape")


@contextmanager
def taping() -> Iterator[None]:
    """Let clients that are made meanwhile run over a tape, if insert() named one for them."""
    # The SDK has no place to listen in on; the transport's ``dial`` is the one seam between the two.
    names = vars(sdk_link)
    dial = names["dial"]

    async def taped(host: str, port: int, *, factory: HandlerFactory, **rest: Any) -> Connection:
        tape = _current.get(None)
        made: Connection = await dial(host, port, factory=factory if tape is None else _on_tape(factory, tape), **rest)
        return made

    names["dial"] = taped
    try:
        yield
    finally:
        names["dial"] = dial


def insert(tape: Tape) -> None:
    """Use ``tape`` for the client that the running task makes next, and for every reconnect of that client."""
    _current.set(tape)


def _on_tape(factory: HandlerFactory, tape: Tape) -> HandlerFactory:
    def make(connection: Connection) -> ConnectionHandler:
        tape.links += 1
        outgoing: Any = _Outgoing(connection, tape)
        return _Incoming(factory(outgoing), tape)

    return make


class _Outgoing:
    """A connection whose ``send`` is written down; everything else is the connection's own."""

    def __init__(self, connection: Connection, tape: Tape) -> None:
        self._connection = connection
        self._tape = tape
        self._link = tape.links
        self._decoder = FrameDecoder(MAX_BODY)

    def send(self, data: bytes) -> None:
        for body in self._decoder.feed(data):
            request = ClientRequest.FromString(body)
            sent = Sent(link=self._link, type=int(request.type), msg_id=request.msg_id, seq_id=request.seq_id)
            self._tape.sent.append(sent)
        self._connection.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Incoming:
    """The SDK's handler, and before it the tape."""

    def __init__(self, handler: ConnectionHandler, tape: Tape) -> None:
        self._handler = handler
        self._tape = tape
        self._link = tape.links
        self._decoder = FrameDecoder(MAX_BODY)

    def received(self, data: bytes) -> None:
        for body in self._decoder.feed(data):
            self._tape.received.append(read(ServerPush.FromString(body), self._link))
        self._handler.received(data)

    def writable(self) -> None:
        self._handler.writable()

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        self._tape.closed.append(Closed(code, reason, by_peer))
        self._handler.closed(code, reason, by_peer)


def read(push: ServerPush, link: int) -> Received:
    """Turn an envelope into what the tape holds."""
    common: dict[str, Any] = {"link": link, "seq_id": push.seq_id, "msg_id": push.msg_id, "payload": push.payload}
    if push.type == PUSH_START_RESP:
        return Received(kind=Kind.START, replay_from=StartResponse.FromString(push.payload).replay_from, **common)
    if push.type == PUSH_HEARTBEAT_RESP:
        return Received(kind=Kind.HEARTBEAT, **common)
    if push.type == PUSH_ERROR:
        error = ErrorMessage.FromString(push.payload)
        return Received(kind=Kind.ERROR, code=error.error_code, text=error.error_message, **common)
    if push.type == PUSH_BUSINESS_DATA:
        answer = BusinessResponse.FromString(push.payload)
        kind = Kind.REPLY if push.msg_id else Kind.NOTIFY
        return Received(kind=kind, code=answer.code, text=answer.message, **common)
    return Received(kind=Kind.UNKNOWN, **common)
