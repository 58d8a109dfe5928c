"""What the stages need of each other, as narrow protocols: no stage imports another one."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from quicgw_fast.codes import PushType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicgw_fast.backend import FrameDecoder, Outbox
    from quicgw_fast.codes import CloseCode
    from quicgw_fast.completions import Cancellable, Done
    from quicgw_fast.errors import ProtocolError, RequestError
    from quicgw_fast.proto.client_pb2 import ClientRequest
    from quicgw_fast.proto.service_pb2 import UnicastPushResponse, UpstreamResponse

NO_HEADERS: Final[Mapping[str, str]] = {}
"""Of a message without any."""
Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""What a service is told beside the request, by names in lower case, as gRPC's own of a call: who it is for, and where
it belongs. Values are printable ASCII."""
NO_METADATA: Final[Metadata] = ()
GATESVR: Final = "gatesvr"
"""The ALPN of the length-prefixed stream (protocol §1)."""


class Arrival(NamedTuple):
    """A client that wants to connect, and whom it meets."""

    address: str
    """Where its packet says that it comes from, with or without the port."""
    proven: bool
    """Whether the client showed that it is there (RFC 9000 §8.1)."""
    half_open: int
    """Handshakes under way."""
    connections: int
    """Those that are complete."""
    draining: bool
    """Whether no new connections are to be had here."""
    now: float
    """Monotonic seconds."""


class UnprovenAnswer(NamedTuple):
    """A packet that is about to be sent in answer to one that anybody can forge."""

    retry: bool
    """Whether it is a Retry, or some other."""
    now: float
    """Monotonic seconds."""


class Deflection(Enum):
    """What is done with a first packet instead of building a connection for it."""

    DROP = "drop"
    """Nothing: an honest client sends it again."""
    RETRY = "retry"
    """Its client has to prove its address first (RFC 9000 §8.1.2)."""


class ConnectionRefusal(NamedTuple):
    """Why a client is not let in, as it is told."""

    code: CloseCode
    phrase: str


TurnedAway: TypeAlias = Deflection | ConnectionRefusal


class ServiceRequest(Protocol):
    """A request as its service gets it: made by the engine, or a message ``UpstreamRequest`` of protobuf."""

    @property
    def session_id(self) -> str:
        """Whose it is."""

    @property
    def openid(self) -> str:
        """Likewise."""

    @property
    def action(self) -> str:
        """What is asked for."""

    @property
    def client_seq_id(self) -> int:
        """The client's number of the request."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - as protobuf has it
        """Encode it."""


class Call(Protocol):
    """How the service of a request is called."""

    def __call__(
        self, request: ServiceRequest, timeout: float, done: Done[UpstreamResponse], metadata: Metadata, /
    ) -> Cancellable:
        """Begin to call it once; ``timeout`` in seconds. The service gets the metadata with the request.

        A RequestError, raised or told to ``done``, is the reply then.
        """


class CallFacts(NamedTuple):
    """A call of a service, before an instance is chosen."""

    service: str
    under_way: int
    """Calls of the service that are."""
    in_all: int
    """Calls of all services that are."""


class CallRefusal(Protocol):
    """Why a service is not to be called."""

    def error(self) -> RequestError:
        """The error that is the reply."""


class CallGate(Protocol):
    """Who decides whether a service may be called."""

    @property
    def asks(self) -> bool:
        """Whether anything could be refused: while nothing can, asking is spared."""

    def judge(self, facts: CallFacts, /) -> CallRefusal | None:
        """Refuse, or admit with None."""


class Gatekeeper(Protocol):
    """Who decides which clients may connect: a listener asks, tells what comes of it, and does as it is bidden.

    The three questions about a client come in the order of their cost; None lets it go on.
    """

    def initial(self, arrival: Arrival, /) -> TurnedAway | None:
        """Judge a first packet before it is decrypted: all that is known are two addresses."""

    def connection(self, arrival: Arrival, /) -> TurnedAway | None:
        """Judge a first packet that is genuine, before a connection is built for it."""

    def established(self, arrival: Arrival, /) -> ConnectionRefusal | None:
        """Judge a client whose handshake is complete and that is not counted among the connections yet."""

    def answer(self, answer: UnprovenAnswer, /) -> Deflection | None:
        """Judge an answer that might go to somebody who asked nothing."""

    def entered(self, address: str, /) -> None:
        """Be told that a client was let in, whose address that is."""

    def left(self, address: str, now: float, /) -> None:
        """Be told that a client is gone which was let in under that address."""

    def noise(self, address: str, now: float, /) -> None:
        """Be told of a first packet that was not genuine."""

    def failed(self, until: float, /) -> None:
        """Be told that a handshake failed; one of which nothing is heard would be half-open until then."""


class ReadingPace(Protocol):
    """How a listener spends its time: what is finished goes before what is new."""

    def rest(self, took: float, /) -> float:
        """Seconds for which nothing more is to be read, after reading took so many; 0 to go on at once."""

    def over(self) -> bool:
        """Whether a rest need not last its time."""


class Link(Protocol):
    """One client's connection as the stages behind the transport see it."""

    @property
    def peer(self) -> str:
        """The client's address as ``host:port``, safe to log."""

    @property
    def alpn(self) -> str:
        """The application protocol that was agreed in the handshake: it picks the carrier."""

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more."""

    @property
    def departed(self) -> bool:
        """True when the client has ended the connection, and what it sent before is still being handed over.

        Nothing may be begun for a client that is already gone (protocol §2): only what it did before counts.
        """

    @property
    def pending(self) -> int:
        """Bytes sent that the client's QUIC has not acknowledged."""

    @property
    def progress(self) -> int:
        """Bytes that the client's QUIC has acknowledged without a gap; with ``pending`` all that was ever sent."""

    def ready(self) -> bool:
        """Whether more may be sent now; False promises that the handler's ``writable`` is called once there is room.

        Whoever declines to send asks here, so that the wake-up cannot be forgotten. False for good after the close.
        """

    def send(self, data: bytes) -> None:
        """Queue bytes on the client's stream; nothing happens after the connection ended."""

    def close(self, code: int, reason: str = "", *, flush: bool = True) -> None:
        """Close with a QUIC application error code, once what was sent before is flushed, or at once."""


class MessageReceiver(Protocol):
    """Who a carrier hands the messages of one connection to."""

    over: bool
    """Whether the connection is closed, or about to be: nothing more is taken."""

    def message(self, request: ClientRequest) -> None:
        """Take one message. Raises ProtocolError where it ends the connection."""

    def turn_away(self, messages: list[bytes], begin: int) -> int:
        """Refuse requests, as they came, for which there is no place, from one on: how many. 0: take the one there."""

    def watch(self, incomplete: bool) -> None:
        """Be told when it may have changed whether a message has begun that is not complete."""

    def fail(self, error: ProtocolError) -> None:
        """Tell the client what it did wrong, and close."""

    def kept(self, held: int) -> None:
        """So many bytes of messages are kept back now: too many may end the connection."""

    def writable(self) -> None:
        """There is room on the connection again."""

    def closed(self, code: int, reason: str, by_peer: bool, /) -> None:
        """The connection is gone, whoever decided it."""


class Crowd(Protocol):
    """The requests of all clients."""

    @property
    def crowded(self) -> bool:
        """Whether some are refused for want of a place: an attribute, as it is looked at whenever something comes."""


class Inflow:
    """What clients sent, and of it what is being handed over: one for all connections, written by their carriers.

    All of it happens in one thread, and each message is dealt with before the next one is looked at.
    """

    __slots__ = ("began", "bytes", "size")

    def __init__(self) -> None:
        self.began = 0.0
        """When the bytes came that are being handed over, in monotonic seconds."""
        self.bytes = 0
        """Of all clients, since the start."""
        self.size = 0
        """Bytes of the message that is being handed over."""


class SlowSender(NamedTuple):
    """Who lets a message stand around half (protocol §3)."""

    pause: float
    """Seconds without a byte of it at most."""
    rate: int
    """Bytes a second at least, from there on."""


class Carrier(Protocol):
    """Bytes of one connection to messages: what a connection reports to, and what its receiver may ask of it."""

    @property
    def incomplete(self) -> bool:
        """Whether a message has begun that is not complete."""

    @property
    def unfinished(self) -> int:
        """Bytes of a message that is not complete, and of those that are kept back."""

    @property
    def held(self) -> bool:
        """Whether messages are kept back."""

    @property
    def writable(self) -> Callable[[], None]:
        """The receiver's: there are no bytes in it."""

    @property
    def closed(self) -> Callable[[int, str, bool], None]:
        """The receiver's, likewise."""

    def received(self, data: bytes, /) -> None:
        """Take bytes; raises nothing that a client brings about."""

    def hold(self) -> None:
        """Keep the messages that come from now on until ``let_go``, and parse none of them."""

    def let_go(self) -> None:
        """Go on with what was kept, in order."""

    def slow_for(self, now: float) -> str:
        """Say what is too slow about the message that is incomplete at ``now``; empty when nothing is (protocol §3)."""


class MakeCarrier(Protocol):
    """How a carrier is made for one connection."""

    def __call__(
        self,
        receiver: MessageReceiver,
        make_decoder: Callable[[int, int], FrameDecoder],
        now: Callable[[], float],
        slow: SlowSender,
        crowd: Crowd,
        inflow: Inflow,
        /,
    ) -> Carrier:
        """``make_decoder`` is the engine's, ``now`` gives monotonic seconds; it writes ``inflow``."""


class Recipient(Protocol):
    """Who gets ordered messages: an outbox, and perhaps a connection that it flows into."""

    outbox: Outbox
    link: Link | None
    cursor: int
    """The highest number that was handed to ``link``; behind ``outbox.last_seq`` while the link is congested."""
    handed: int
    """The highest number that was ever handed to a connection: what is above it, no client can have."""

    @property
    def may_release(self) -> bool:
        """Whether what its outbox holds may be sent as soon as there is room."""

    look_at: float
    """Monotonic seconds until which nobody need look after it; set to 0 when it is given something to keep."""


class TakenPush(Protocol):
    """A push that was taken or refused."""

    @property
    def answer(self) -> UnicastPushResponse:
        """What its sender is told of that."""

    @property
    def waits(self) -> bool:
        """Whether its sender wants to know what becomes of it."""

    async def settled(self) -> UnicastPushResponse:
        """Wait for that, and return the answer with it; at once where nobody wants to know."""

    def forgo(self) -> None:
        """Its sender went away before it began to wait."""


class TerminalReply(NamedTuple):
    """The one terminal reply of a request, not yet numbered."""

    push_type: PushType
    code: int
    message: str
    data: bytes = b""
    headers: Mapping[str, str] = NO_HEADERS

    @classmethod
    def of_answer(cls, answer: UpstreamResponse) -> TerminalReply:
        """The PUSH_BUSINESS_DATA that tells of what a service answered."""
        headers = answer.headers
        return cls(PushType.BUSINESS_DATA, answer.code, answer.message, answer.data, headers or NO_HEADERS)

    @classmethod
    def of_error(cls, error: RequestError) -> TerminalReply:
        """The PUSH_ERROR that tells of ``error``."""
        return cls(PushType.ERROR, error.code, error.message, error.detail.encode(), error.headers)
