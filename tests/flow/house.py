"""The flow of messages with everything real but its two ends.

The engine, the sessions, the processor with its workers, the sender and the store are those of the gateway. In place
of the QUIC connection there is a link that records, in place of the services a function that the test answers for,
and time stands still until the test moves it. The same promises over real QUIC and real gRPC are in ``tests/wire``.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from quicgw_fast import config as configs
from quicgw_fast.assembly import assemble_gateway
from quicgw_fast.auth import NoAuth
from quicgw_fast.codes import CloseCode, RequestType, SyncHint
from quicgw_fast.observe import Metrics, render_stats
from quicgw_fast.proto import client_pb2 as pb
from quicgw_fast.proto.service_pb2 import (
    BroadcastRequest,
    BroadcastResponse,
    UnicastPushRequest,
    UnicastPushResponse,
)
from tests.flow.ends import Link, Upstream
from tests.support.clock import Clock
from tests.support.completions import begun
from tests.support.wire import business, error, frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quicgw_fast.auth import Authenticator, Grant
    from quicgw_fast.backend.engine import Engine
    from quicgw_fast.flow.elsewhere import Elsewhere
    from quicgw_fast.placement import Placement, ReplicaKeeper
    from quicgw_fast.session import Session
    from quicgw_fast.store import OfflineStore

MANY_TURNS = 40


class Client:
    """A client that speaks the protocol's messages and believes nothing."""

    def __init__(self, house: House, peer: str) -> None:
        self.house = house
        self.link = Link(peer)
        self.link.handler = house.path.conversations.begin(self.link)
        (self.conversation,) = (one for one in house.path.conversations.open if one.link is self.link)
        self.seq = 0
        self.msg_ids = itertools.count(100)
        self.answer = pb.StartResponse()
        self.answer_headers: dict[str, str] = {}
        """The headers of the answer to START, but for the limits."""
        self.limits: dict[str, str] = {}

    # Up

    def raw(self, data: bytes) -> None:
        self.link.handler.received(data)

    def send(
        self,
        kind: RequestType | int,
        payload: bytes = b"",
        *,
        seq: int = 0,
        msg_id: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        msg_id = next(self.msg_ids) if msg_id is None else msg_id
        request = pb.ClientRequest(msg_id=msg_id, seq_id=seq, type=int(kind), payload=payload, headers=headers)  # type: ignore[arg-type]
        self.raw(frame(request.SerializeToString()))
        return msg_id

    def start(
        self,
        openid: str = "alice",
        last_acked: int = 0,
        session_id: str = "",
        epoch: str = "",
        token: str = "",
        attempt: int = 0,
    ) -> pb.StartResponse:
        start = pb.StartRequest(
            openid=openid,
            auth_token=token,
            last_acked_seq_id=last_acked,
            session_id=session_id,
            epoch=epoch,
            attempt=attempt,
        )
        return self.started(self.send(RequestType.START, start.SerializeToString()))

    def started(self, msg_id: int) -> pb.StartResponse:
        """The answer to START, which must have come at once."""
        push = next(p for p in self.link.sent if p.type == pb.PUSH_START_RESP and p.msg_id == msg_id)
        assert push.seq_id == 0
        self.answer = pb.StartResponse.FromString(push.payload)
        headers = dict(push.headers)
        self.limits = {name: headers.pop(name) for name in list(headers) if name.startswith("limit-")}
        self.answer_headers = headers
        return self.answer

    def call(
        self,
        action: str,
        data: bytes = b"",
        *,
        seq: int | None = None,
        headers: Mapping[str, str] | None = None,
        payload: bytes | None = None,
    ) -> int:
        """Send a BUSINESS message under the next number; returns its number."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        if payload is None:
            payload = pb.BusinessRequest(action=action, data=data).SerializeToString()
        self.send(RequestType.BUSINESS, payload, seq=seq, headers=headers, msg_id=msg_id_of(seq))
        return seq

    def ack(self, number: int) -> int:
        return self.send(RequestType.ACK, pb.ClientAck(acked_seq_id=number).SerializeToString())

    def heartbeat(self, **headers: str) -> int:
        beat = pb.HeartbeatRequest(client_timestamp=7)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(RequestType.HEARTBEAT, beat.SerializeToString(), headers=named)

    def stop(self) -> int:
        return self.send(RequestType.STOP, pb.StopRequest(reason=pb.StopRequest.USER_LOGOUT).SerializeToString())

    # Down

    @property
    def session(self) -> Session:
        assert self.conversation.session is not None
        return self.conversation.session

    @property
    def numbered(self) -> list[pb.ServerPush]:
        return [push for push in self.link.sent if push.seq_id]

    @property
    def numbers(self) -> list[int]:
        return [push.seq_id for push in self.numbered]

    @property
    def texts(self) -> list[str]:
        """The numbered messages in order: a response's code and data, an error's code, a notify's data."""
        return [text_of(push) for push in self.numbered]

    def replies(self, seq: int) -> list[pb.ServerPush]:
        """Everything that came for the BUSINESS message of that number."""
        return [push for push in self.link.sent if push.msg_id == msg_id_of(seq)]

    def reply(self, seq: int) -> pb.ServerPush:
        """The one reply to it."""
        (push,) = self.replies(seq)
        return push

    def error_of(self, seq: int) -> pb.ErrorMessage:
        return error(self.reply(seq))

    def pushes(self, msg_id: int) -> list[pb.ServerPush]:
        return [push for push in self.link.sent if push.msg_id == msg_id]

    @property
    def ended(self) -> CloseCode | None:
        """How the gateway closed the connection."""
        if self.link.ended is None:
            return None
        code, reason = self.link.ended
        assert reason.startswith(code.name), "the reason begins with the name (protocol §6)"
        return code


def msg_id_of(seq: int) -> int:
    """The msg_id under which ``Client.call`` sends a number."""
    return (1000 + seq) % (1 << 32)


def text_of(push: pb.ServerPush) -> str:
    if push.type == pb.PUSH_ERROR:
        return f"error {error(push).error_code}"
    response = business(push)
    return f"{response.data.decode()}" if push.msg_id == 0 else f"{response.code} {response.data.decode()}"


class House:
    """The parts of a gateway between its two ends."""

    def __init__(
        self,
        engine: Engine,
        *,
        store: OfflineStore | None = None,
        authenticator: Authenticator | None = None,
        placement: Placement | None = None,
        elsewhere: Elsewhere | None = None,
        replicas: ReplicaKeeper | None = None,
        beside: House | None = None,
        **sections: dict[str, Any],
    ) -> None:
        """``sections`` are tables of the configuration; clock and services are those of the house ``beside``."""
        self.config = config = configs.read(overrides=sections)
        self.clock = Clock() if beside is None else beside.clock
        self.upstream = Upstream() if beside is None else beside.upstream
        self.authenticator = authenticator or NoAuth()
        """Whom the flow asks; a test may put another one here."""
        self.metrics = Metrics()
        self.path = assemble_gateway(
            config,
            engine,
            self.clock.face,
            self.metrics,
            authenticator=self,
            store=store,
            placement=placement,
            elsewhere=elsewhere,
            replicas=replicas,
            call=begun(self.upstream),
        ).path
        self.budget = self.path.budget
        self.offline = self.path.offline
        self.housekeeping = self.path.housekeeping
        self._peers = itertools.count(5000)

    async def __aenter__(self) -> House:
        self.path.requests.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.path.draining.active = self.path.draining.refusing = True
        await self.stop(0.0)
        await self.offline.stop()

    async def stop(self, drain: float) -> None:
        """As the gateway does it."""
        await self.path.requests.stop(self.clock.now + drain)

    def authenticate(self, openid: str, token: str, wall: float) -> Grant:
        return self.authenticator.authenticate(openid, token, wall)

    # Clients

    def connect(self, peer: str | None = None) -> Client:
        return Client(self, peer or f"192.0.2.1:{next(self._peers)}")

    def started(self, openid: str = "alice", **claim: Any) -> Client:
        client = self.connect()
        assert client.start(openid, **claim).success
        return client

    async def online(self, openid: str = "alice", **claim: Any) -> Client:
        """A client that is logged in; its first numbers are used up and acknowledged."""
        client = self.started(openid, **claim)
        client.call("hello")
        await self.settle()
        client.ack(client.numbers[-1])
        client.link.sent.clear()
        return client

    def back(self, before: Client, last_acked: int, *, by_session: bool = True) -> Client:
        """Connect again for the session of an earlier connection."""
        client = self.connect()
        claim = (before.answer.connection_id, before.answer.epoch) if by_session else ("", "")
        client.start(before.session.openid, last_acked, *claim)
        client.seq = before.seq
        return client

    # Services

    async def push(
        self,
        target: str = "alice",
        content: str = "n",
        hint: SyncHint | int = SyncHint.IMMEDIATELY,
        client_seq: int = 0,
        kind: str = "openid",
        **fields: Any,
    ) -> UnicastPushResponse:
        request = UnicastPushRequest(
            target_type=kind,
            target_id=target,
            msg_type="t",
            title="x",
            content=content,
            sync_hint=int(hint),  # type: ignore[arg-type]
            bind_client_seq_id=client_seq,
            **fields,
        )
        return await (await self.path.services.pushes.push(request)).settled()

    async def broadcast(self, content: str = "b", **fields: Any) -> BroadcastResponse:
        return await self.path.services.pushes.broadcast(
            BroadcastRequest(msg_type="t", title="x", content=content, **fields)
        )

    # Time

    async def settle(self) -> None:
        """Let everything happen that can happen without the test."""
        for _ in range(MANY_TURNS):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Move the clocks, do the housekeeping that is due, and let things happen."""
        self.clock.advance(seconds)
        self.housekeeping.round(self.clock.now, self.clock.wall)
        await self.settle()

    def accounts(self) -> dict[str, dict[str, int]]:
        """What /stats shows under ``accounts``."""
        return self.stats("accounts")

    def stats(self, section: str) -> Any:
        """What /stats shows there."""
        return render_stats(self.metrics, {"engine": ""}, [])[section]

    def count(self, name: str, *labels: str) -> float:
        return self.metrics.count(name, *labels)
