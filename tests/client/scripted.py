"""A small gateway for the client's tests: the real transport below, one obedient session above, and handles to
make it misbehave. It keeps every message for ever, so that any resume can be tried.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from quicgw_fast.backend import FrameDecoder
from quicgw_fast.codes import CloseCode, PushType, RequestType, ResetReason
from quicgw_fast.proto.client_pb2 import (
    BusinessRequest,
    BusinessResponse,
    ClientAck,
    ClientRequest,
    ErrorMessage,
    HeartbeatResponse,
    ServerPush,
    StartRequest,
    StartResponse,
    StopRequest,
)
from tests.support import usual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from quicgw_fast.transport import Connection, Listener

Hook = "Callable[[Peer, ClientRequest], bool]"


def frame(message: ServerPush) -> bytes:
    body = message.SerializeToString()
    return len(body).to_bytes(4, "big") + body


def push(kind: PushType, payload: bytes = b"", **fields: Any) -> ServerPush:
    return ServerPush(type=kind.value, payload=payload, **fields)  # type: ignore[arg-type]


@dataclass
class Asked:
    """A request as it arrived."""

    seq: int
    msg_id: int
    action: str
    data: bytes
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class FakeSession:
    """What the gateway knows of its one session; ``sent`` holds every numbered frame."""

    id: str
    epoch: str
    after: int
    sent: dict[int, bytes] = field(default_factory=dict)
    last: int = 0
    max_client_seq: int = 0
    acked: int = 0

    def __post_init__(self) -> None:
        self.last = self.acked = self.after


class Peer:
    """One connection of the client, seen from the gateway."""

    def __init__(self, gateway: ScriptedGateway, connection: Connection) -> None:
        self.gateway = gateway
        self.connection = connection
        self.start: StartRequest | None = None
        self.requests: list[ClientRequest] = []
        self.ended: tuple[int, str, bool] | None = None
        self._decoder = FrameDecoder(1 << 20)

    def received(self, data: bytes) -> None:
        for body in self._decoder.feed(data):
            request = ClientRequest.FromString(body)
            self.requests.append(request)
            self.gateway.take(self, request)
        self.gateway.changed()

    def writable(self) -> None:
        pass

    def closed(self, code: int, reason: str, by_peer: bool) -> None:
        self.ended = (code, reason, by_peer)
        self.gateway.changed()

    def send(self, message: ServerPush) -> None:
        self.connection.send(frame(message))

    def close(self, code: CloseCode, why: str = "test") -> None:
        self.connection.close(code, code.phrase(why))

    def of(self, kind: RequestType) -> list[ClientRequest]:
        return [request for request in self.requests if request.type == kind.value]


class ScriptedGateway:
    """Behaves well by itself; tests change ``on`` (by request type), ``refuse_resume``, ``start_headers`` …"""

    def __init__(self, transport: str) -> None:
        """``transport`` is who does QUIC."""
        self.listener: Listener
        self._transport = transport
        self.peers: list[Peer] = []
        self.session: FakeSession | None = None
        self.asked: list[Asked] = []
        self.acks: list[int] = []
        self.stops: list[int] = []
        self.tokens: list[str] = []
        self.on: dict[RequestType, Callable[[Peer, ClientRequest], bool]] = {}
        """Hooks; one that returns True has done the work itself."""
        self.answer: Callable[[Asked], BusinessResponse | ErrorMessage | None] = echo
        """What is replied to a request; None: nothing for now."""
        self.refuse_resume: ResetReason | None = None
        self.start_headers: dict[str, str] = {}
        self.heartbeat_interval = 30
        self.hold_replies = False
        """Number and keep replies, but do not send them."""
        self.silent = False
        self.files: tuple[Path, Path]
        self.loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._news = asyncio.Event()

    async def listen(self, folder: tuple[Path, Path], port: int = 0, **options: Any) -> Self:
        self.files = certificate, key = folder
        self.listener = await usual.listen(
            "127.0.0.1",
            port,
            certificate=certificate,
            private_key=key,
            factory=self._connected,
            maker=self._transport,
            **options,
        )
        return self

    @property
    def address(self) -> str:
        host, port = self.listener.address
        return f"{host}:{port}"

    @property
    def peer(self) -> Peer:
        """The newest connection."""
        return self.peers[-1]

    async def close(self) -> None:
        await self.listener.close(CloseCode.INTERNAL)

    def changed(self) -> None:
        self._news.set()

    async def until(self, condition: Callable[[], object], limit: float = 20.0) -> None:
        """Wait until something that arrived makes ``condition`` true."""
        async with asyncio.timeout(limit):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def _connected(self, connection: Connection) -> Peer:
        self.peers.append(Peer(self, connection))
        self.changed()
        return self.peers[-1]

    # Requests

    def take(self, peer: Peer, request: ClientRequest) -> None:
        if self.silent:
            return
        kind = RequestType(request.type)
        hook = self.on.get(kind)
        if hook is not None and hook(peer, request):
            return
        if kind is RequestType.START:
            self._start(peer, request)
        elif kind is RequestType.HEARTBEAT:
            self.pong(peer, request)
        elif kind is RequestType.ACK:
            self.acks.append(ClientAck.FromString(request.payload).acked_seq_id)
        elif kind is RequestType.STOP:
            self.stops.append(StopRequest.FromString(request.payload).reason)
            self.session = None
            peer.close(CloseCode.NORMAL, "stopped")
        else:
            self._business(peer, request)

    def _start(self, peer: Peer, request: ClientRequest) -> None:
        start = peer.start = StartRequest.FromString(request.payload)
        self.tokens.append(start.auth_token)
        session = self.session
        claimed = bool(start.session_id or start.last_acked_seq_id)
        if claimed and session is not None and start.session_id == session.id and self.refuse_resume is None:
            session.acked = max(session.acked, start.last_acked_seq_id)
            self.start_answer(peer, request, resumed=True, replay_from=start.last_acked_seq_id + 1)
            for seq in sorted(seq for seq in session.sent if seq > start.last_acked_seq_id):
                peer.connection.send(session.sent[seq])
            return
        number = next(self._ids)
        self.session = FakeSession(f"session-{number}", f"epoch-{number}", start.last_acked_seq_id)
        reason = ResetReason.NONE
        if claimed:
            reason = ResetReason.UNKNOWN_SESSION if self.refuse_resume is None else self.refuse_resume
        self.start_answer(peer, request, reset_reason=reason.value)

    def start_answer(self, peer: Peer, request: ClientRequest, **fields: Any) -> None:
        """Accept START; ``fields`` are of StartResponse."""
        assert self.session is not None
        answer = StartResponse(
            success=True,
            heartbeat_interval=self.heartbeat_interval,
            connection_id=self.session.id,
            epoch=self.session.epoch,
            max_client_seq=self.session.max_client_seq,
        )
        answer.MergeFrom(StartResponse(**fields))
        peer.send(
            push(
                PushType.START_RESP,
                answer.SerializeToString(),
                msg_id=request.msg_id,
                headers=self.start_headers,
            )
        )

    def refuse_start(
        self, peer: Peer, request: ClientRequest, code: int, close: CloseCode, headers: Mapping[str, str] | None = None
    ) -> None:
        answer = StartResponse(error=ErrorMessage(error_code=code, error_message="refused"))
        peer.send(
            push(PushType.START_RESP, answer.SerializeToString(), msg_id=request.msg_id, headers=dict(headers or {}))
        )
        peer.close(close)

    def pong(self, peer: Peer, request: ClientRequest, headers: Mapping[str, str] | None = None) -> None:
        """Answer a heartbeat."""
        peer.send(
            push(
                PushType.HEARTBEAT_RESP,
                HeartbeatResponse().SerializeToString(),
                msg_id=request.msg_id,
                headers=dict(headers or {}),
            )
        )

    def _business(self, peer: Peer, request: ClientRequest) -> None:
        assert self.session is not None
        assert request.seq_id == self.session.max_client_seq + 1, "a request's number is not the next one"
        self.session.max_client_seq = request.seq_id
        body = BusinessRequest.FromString(request.payload)
        asked = Asked(request.seq_id, request.msg_id, body.action, body.data, dict(body.params), dict(request.headers))
        self.asked.append(asked)
        answer = self.answer(asked)
        if answer is not None:
            self.reply(asked, answer)

    # Messages

    def reply(
        self, asked: Asked, answer: BusinessResponse | ErrorMessage, headers: Mapping[str, str] | None = None
    ) -> int:
        kind = PushType.ERROR if isinstance(answer, ErrorMessage) else PushType.BUSINESS_DATA
        return self.number(
            push(kind, answer.SerializeToString(), msg_id=asked.msg_id, headers=dict(headers or {})),
            hold=self.hold_replies,
        )

    def notify(self, data: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Push a notify to whoever is connected; returns its number."""
        payload = BusinessResponse(code=200, message="[test] title", data=data).SerializeToString()
        fields = {"notify-type": "test", "notify-title": "title", "notify-content": "", **(headers or {})}
        return self.number(push(PushType.BUSINESS_DATA, payload, headers=fields))

    def number(self, message: ServerPush, *, hold: bool = False) -> int:
        session = self.session
        assert session is not None
        session.last += 1
        message.seq_id = session.last
        session.sent[session.last] = frame(message)
        if not hold and self.peers and not self.peer.connection.closed:
            self.peer.connection.send(session.sent[session.last])
        return session.last


def echo(asked: Asked) -> BusinessResponse | ErrorMessage | None:
    """Reply with what was sent."""
    return BusinessResponse(code=200, message=asked.action, data=asked.data)
