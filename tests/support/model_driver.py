"""Does one thing after the other to one openid's session, over real QUIC and gRPC, and holds it against the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicgw_fast.codes import CloseCode
from quicgw_fast.proto import client_pb2 as pb
from tests.support import wire
from tests.support.raw_upstream import Gate, answer
from tests.support.session_model import ERROR, SessionModel
from tests.support.world import assert_closed

if TYPE_CHECKING:
    from quicgw_fast.proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient
    from tests.support.world import World

OPENID = "alice"


class Driver:
    """Every method is one step; it ends when its effect is in the session, and compares what the client has got.

    ``client`` is None while no connection is there, ``model`` while no session is.
    """

    def __init__(self, world: World, window: int) -> None:
        self.world = world
        self.client: RawClient | None = None
        self.model: SessionModel | None = None
        self.gates: dict[int, Gate] = {}
        """Requests that wait in the upstream, by their number."""
        self.ended: dict[str, str] = {}
        """Ids of sessions that ended, with their epochs."""
        self._window = window
        self._have = 0
        self._next_msg = 1
        self._count = 0
        world.zone.on("echo", self._echo)

    @property
    def online(self) -> tuple[RawClient, SessionModel]:
        """The connection and the model; both must be there."""
        assert self.client is not None
        assert self.model is not None
        return self.client, self.model

    # ---- connections

    async def connect(self, number: int, session_id: str, epoch: str, *, login: bool) -> None:
        """Connect and START; the model says what the answer must be. ``login``: log a new session in."""
        before = self._leave()
        client = await self.world.connect()
        client.next_msg = self._next_msg
        start = await client.start(OPENID, "", number, session_id, epoch)
        assert start.success, start.error
        reasons = self._reasons(number, session_id, epoch)
        if reasons is None:
            self._resumed(start, number)
        else:
            assert not start.resumed
            assert start.reset_reason in reasons, (pb.ResetReason.Name(start.reset_reason), reasons)
            assert start.epoch not in self.ended.values()
            self._end()
            self.model = SessionModel(start.connection_id, start.epoch, self._window, number)
        if before is not None:
            await assert_closed(before, CloseCode.SUPERSEDED)
        self.client, self._have = client, number
        await self._compare()
        if login and reasons is not None:
            await self.log_in()

    def _resumed(self, start: pb.StartResponse, number: int) -> None:
        model = self.model
        assert model is not None
        assert start.resumed, pb.ResetReason.Name(start.reset_reason)
        assert (start.connection_id, start.epoch) == (model.session_id, model.epoch)
        assert start.replay_from == number + 1
        assert start.max_client_seq == model.max_client
        model.acknowledge(number)

    def _reasons(self, number: int, session_id: str, epoch: str) -> set[int] | None:
        """The allowed reset reasons of a START, None when it must resume."""
        if number == 0 and not session_id:
            return {pb.RESET_REASON_NONE}
        if self.model is not None and session_id in ("", self.model.session_id):
            return self.model.refusals(number, epoch) or None
        if session_id in self.ended or (not session_id and self.ended):
            return {pb.RESET_REASON_EXPIRED}
        return {pb.RESET_REASON_UNKNOWN_SESSION}

    def _leave(self) -> RawClient | None:
        """Give up the present connection's place; its message ids go on with the next one."""
        client, self.client = self.client, None
        if client is not None:
            self._next_msg = client.next_msg
        return client

    async def drop(self, *, polite: bool) -> None:
        """Lose the connection, with or without a close."""
        client = self._leave()
        assert client is not None
        if not polite:
            client.abandon()
        await client.bury()

        def noticed() -> bool:
            sessions: Any = self.world.gateway.stats()["sessions"]
            return bool(sessions["detached"] == 1)

        await wire.until(noticed, what="the gateway noticing the drop")

    # ---- requests

    async def log_in(self) -> None:
        """Send hello and wait for its reply."""
        client, model = self.online
        seq = model.max_client + 1
        model.accept(seq, b"")
        message = client.business("hello", seq=seq)
        if model.reply(seq):
            model.log_in()
            await client.reply(message)
        await self._compare()

    async def request(self, *, hold: bool) -> None:
        """Send a request; ``hold`` keeps it in the upstream until :meth:`release`."""
        client, model = self.online
        seq = model.max_client + 1
        data = self._data("reply")
        model.accept(seq, data)
        if hold:
            self.gates[seq] = Gate()
        seen = len(self.world.zone.seen)
        client.business("echo", data=data, seq=seq)
        await self.world.zone.wait_requests(seen + 1)
        if not hold:
            await self._answered(seq)

    async def release(self, pick: int) -> None:
        """Let one of the held requests be answered."""
        seq = sorted(self.gates)[pick % len(self.gates)]
        self.gates.pop(seq).open()
        await self._answered(seq)

    async def wrong_number(self, off: int) -> None:
        """Send a request whose number is ``off`` from the right one; it is refused."""
        client, model = self.online
        seq = model.max_client + 1 + off
        if seq >= 0 and (model.max_client or seq == 0):  # a first number may be anything above 0
            client.business("echo", seq=seq)
            model.commit(ERROR)
            await self._compare()

    async def _echo(self, request: UpstreamRequest) -> UpstreamResponse:
        gate = self.gates.get(request.client_seq_id)
        if gate is not None:
            await gate.pass_through(request)
        return answer(request, data=request.data)

    async def _answered(self, seq: int) -> None:
        model = self.model
        assert model is not None
        model.reply(seq)

        def idle() -> bool:
            processor: Any = self.world.gateway.stats()["processor"]
            # A session that overflowed gets no reply any more: its calls are given up (protocol §5).
            return bool(processor["busy_workers"] == (0 if model.overflowed else len(self.gates)))

        await wire.until(idle, what="the answer in the session")
        await self._compare()

    # ---- pushes

    async def push(self) -> None:
        """Push at once."""
        assert self.model is not None
        data = self._data("push")
        expected = self.model.push(data)
        reply = await self.world.pusher.push(OPENID, data=data)
        assert (reply.success, reply.error_code) == (not expected, expected), reply
        await self._compare()

    async def bind(self, seq: int, hint: int) -> None:
        """Push before or after the reply to a request."""
        assert self.model is not None
        data = self._data("bound")
        expected = self.model.bind(seq, hint, data)
        reply = await self.world.pusher.push(OPENID, data=data, hint=hint, bind=seq)
        assert reply.success == (not expected), reply
        if not self.model.overflowed:  # then more than one reason stands against it
            assert reply.error_code == expected
        await self._compare()

    async def broadcast(self) -> None:
        """Push to everybody, which is this one session."""
        assert self.model is not None
        data = self._data("broadcast")
        expected = self.model.broadcast(data)
        assert (await self.world.pusher.broadcast(data)).sent_count == expected
        await self._compare()

    # ---- acknowledgements and ends

    async def acknowledge(self, back: int) -> None:
        """Acknowledge up to ``back`` before the highest number, which may be stale."""
        client, model = self.online
        client.ack(max(0, model.last - back))
        model.acknowledge(model.last - back)
        await self._compare()

    async def acknowledge_the_future(self, ahead: int) -> None:
        """Acknowledge what was never sent: a protocol error."""
        client, model = self.online
        client.ack(model.last + ahead)
        if model.commit(ERROR):  # what was wrong is told before the close
            await assert_closed(client, CloseCode.PROTOCOL_ERROR)
            assert wire.error(client.numbered[-1]).error_code == 400
        else:
            close = await client.wait_closed()
            assert close.code in (CloseCode.PROTOCOL_ERROR, CloseCode.SLOW_CONSUMER)
        self._leave()

    async def stop(self) -> None:
        """Send STOP."""
        client = self._leave()
        assert client is not None
        client.stop()
        await assert_closed(client, CloseCode.NORMAL)
        self._end()
        assert (await self.world.pusher.push(OPENID)).error_code == "TARGET_NOT_FOUND"

    async def expire(self) -> None:
        """Stay away for longer than the resume window: the moment of going is moved back, so that nobody waits."""
        assert self.model is not None
        session = self.world.gateway._path.registry.by_id(self.model.session_id)
        assert session is not None
        session.detached_at = -1e6
        self._end()
        assert (await self.world.pusher.push(OPENID)).error_code == "TARGET_NOT_FOUND"

    def open_gates(self) -> None:
        """Let every held request go on."""
        for gate in self.gates.values():
            gate.open()

    def _end(self) -> None:
        """The session is no more."""
        if self.model is not None:
            self.ended[self.model.session_id] = self.model.epoch
        self.open_gates()
        self.model, self.gates = None, {}

    # ---- comparing

    def _data(self, word: str) -> bytes:
        self._count += 1
        return f"{word} {self._count}".encode()

    async def _compare(self) -> None:
        """Hold what the connection has got against the model."""
        client, model = self.client, self.model
        if client is None or model is None:
            return
        if model.overflowed:
            await assert_closed(client, CloseCode.SLOW_CONSUMER)
            self._leave()
        else:
            await client.reply(client.heartbeat())
        expected = [(number, data) for number, data in model.sent.items() if number > self._have]
        got = [(push.seq_id, _content(push)) for push in client.numbered]
        if model.overflowed:
            expected = expected[: len(got)]  # the close may overtake what was on its way
        assert got == expected, f"got {got}\nexpected {expected}"


def _content(push: pb.ServerPush) -> bytes:
    return ERROR if push.type == pb.PUSH_ERROR else wire.business(push).data
