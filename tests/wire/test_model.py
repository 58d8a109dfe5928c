"""Random histories of one session over real QUIC and gRPC, each step compared with a model of the contract."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from quicgw_fast._proto import client_pb2 as pb
from quicgw_fast.types import CloseCode
from tests.support import wire
from tests.support.raw_upstream import Gate, answer
from tests.support.session_model import ERROR, SessionModel
from tests.support.world import World, assert_closed

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from quicgw_fast._proto.service_pb2 import UpstreamRequest, UpstreamResponse
    from tests.support.raw_client import RawClient

WINDOW = 8
RESUME_WINDOW = 1.0
EXAMPLES, STEPS = 25, 50

mostly = st.sampled_from([True] * 5 + [False])
rarely = st.sampled_from([False] * 5 + [True])
attached = precondition(lambda self: self.client is not None)
logged_in = precondition(lambda self: self.client is not None and self.model.normal)
alive = precondition(lambda self: self.model is not None)


class Wire(RuleBasedStateMachine):
    """One openid, its present connection, and the model of its session."""

    backend = ""
    certificate: tuple[Path, Path]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world: World
        self.client: RawClient | None = None
        self.model: SessionModel | None = None
        self.gates: dict[int, Gate] = {}
        self.messages: dict[int, int] = {}
        self.have = 0
        self.next_msg = 1
        self.count = 0
        self.known: dict[str, str] = {}
        """Session ids that ended, with their epochs."""
        self.waits = 0

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await step

        self.loop.run_until_complete(bounded())

    def data(self, word: str) -> bytes:
        self.count += 1
        return f"{word} {self.count}".encode()

    # ---- the world

    @initialize(login=mostly)
    def begin(self, login: bool) -> None:
        async def step() -> None:
            session = {"window_messages": WINDOW, "resume_window": RESUME_WINDOW, "slow_consumer_after": 60}
            self.world = World(self.backend, self.certificate, session=session, processor={"max_workers": 32})
            await self.world.__aenter__()
            self.world.zone.on("echo", self.held)
            await self.connect(0, "", "", login)

        self.run(step())

    def teardown(self) -> None:
        async def step() -> None:
            for gate in self.gates.values():
                gate.open()
            await self.world.__aexit__(None, None, None)
            await self.loop.shutdown_asyncgens()

        if hasattr(self, "world"):
            self.run(step())
        self.loop.close()

    async def held(self, request: UpstreamRequest) -> UpstreamResponse:
        gate = self.gates.get(request.client_seq_id)
        if gate is not None:
            await gate.pass_through(request)
        return answer(request, data=request.data)

    async def connect(self, number: int, session_id: str, epoch: str, login: bool) -> None:
        """Connect and START; the model says what the answer must be. ``login``: log a new session in."""
        before, model = self.client, self.model
        client = await self.world.connect()
        client.next_msg = self.next_msg
        self.next_msg += 1
        start = await client.start("alice", "", number, session_id, epoch)
        assert start.success, start.error
        reasons = self.reasons(number, session_id, epoch)
        if reasons is None:
            assert model is not None
            assert start.resumed, pb.ResetReason.Name(start.reset_reason)
            assert (start.connection_id, start.epoch) == (model.session_id, model.epoch)
            assert start.replay_from == number + 1
            assert start.max_client_seq == model.max_client
            model.acknowledge(number)
        else:
            assert not start.resumed
            assert start.reset_reason in reasons, (pb.ResetReason.Name(start.reset_reason), reasons)
            assert start.epoch not in self.known.values()
            self.forget()
            self.model = SessionModel(start.connection_id, start.epoch, WINDOW, number)
        if before is not None:
            await assert_closed(before, CloseCode.SUPERSEDED)
        self.client, self.have = client, number
        await self.compare()
        if login and reasons is not None:
            await self.log_in()

    def reasons(self, number: int, session_id: str, epoch: str) -> set[int] | None:
        """The allowed reset reasons of a START, None when it must resume."""
        if number == 0 and not session_id:
            return {pb.RESET_REASON_NONE}
        model = self.model
        if model is not None and session_id in ("", model.session_id):
            return model.refusals(number, epoch) or None
        if session_id in self.known or (not session_id and self.known):
            return {pb.RESET_REASON_EXPIRED, pb.RESET_REASON_UNKNOWN_SESSION}  # remembered for a short while
        return {pb.RESET_REASON_UNKNOWN_SESSION}

    def forget(self) -> None:
        """The session is no more."""
        if self.model is not None:
            self.known[self.model.session_id] = self.model.epoch
        for gate in self.gates.values():
            gate.open()
        self.model, self.gates, self.messages = None, {}, {}

    async def compare(self) -> None:
        """Hold what the connection has got against the model."""
        client, model = self.client, self.model
        if client is None or model is None:
            return
        if model.overflowed:
            await assert_closed(client, CloseCode.SLOW_CONSUMER)
            self.client = None
        else:
            self.next_msg = client.next_msg + 1
            await client.reply(client.heartbeat())
        expected = [(number, data) for number, data in model.sent.items() if number > self.have]
        got = [(push.seq_id, content(push)) for push in client.numbered]
        if model.overflowed:
            expected = expected[: len(got)]  # the close may overtake what was on its way
        assert got == expected, f"got {got}\nexpected {expected}"

    # ---- requests

    @attached
    @rule()
    def hello(self) -> None:
        self.run(self.log_in())

    async def log_in(self) -> None:
        client, model = self.client, self.model
        assert client is not None
        assert model is not None
        seq = model.max_client + 1
        model.accept(seq, b"")
        client.next_msg = self.next_msg
        self.next_msg += 1
        message = client.business("hello", seq=seq)
        if model.reply(seq):
            model.log_in()
            await client.reply(message)
        await self.compare()

    @logged_in
    @rule(hold=st.booleans())
    def request(self, hold: bool) -> None:
        async def step() -> None:
            client, model = self.client, self.model
            assert client is not None
            assert model is not None
            seq = model.max_client + 1
            data = self.data("reply")
            model.accept(seq, data)
            client.next_msg = self.next_msg
            self.next_msg += 1
            if hold:
                self.gates[seq] = Gate()
            seen = len(self.world.zone.seen)
            self.messages[seq] = client.business("echo", data=data, seq=seq)
            await self.world.zone.wait_requests(seen + 1)
            if not hold:
                await self.answered(seq)

        self.run(step())

    async def answered(self, seq: int) -> None:
        """A request's answer is on its way; wait until it is in the session."""
        model = self.model
        assert model is not None
        model.reply(seq)

        def idle() -> bool:
            processor: Any = self.world.gateway.stats()["processor"]
            return bool(processor["busy_workers"] == len(self.gates))

        await wire.until(idle, what="the answer in the session")
        await self.compare()

    @alive
    @precondition(lambda self: self.gates)
    @rule(pick=st.integers(0, 100))
    def release(self, pick: int) -> None:
        async def step() -> None:
            seq = sorted(self.gates)[pick % len(self.gates)]
            self.gates.pop(seq).open()
            await self.answered(seq)

        self.run(step())

    @attached
    @rule(off=st.sampled_from([-2, -1, 1, 2, 100]))
    def wrong_number(self, off: int) -> None:
        async def step() -> None:
            client, model = self.client, self.model
            assert client is not None
            assert model is not None
            seq = model.max_client + 1 + off
            if seq < 0 or (model.max_client == 0 and seq > 0):
                return  # a first number may be anything
            client.next_msg = self.next_msg
            self.next_msg += 1
            client.business("echo", seq=seq)
            model.commit(ERROR)
            await self.compare()

        self.run(step())

    # ---- pushes

    @alive
    @rule(times=st.integers(1, 8))
    def push(self, times: int) -> None:
        async def step() -> None:
            assert self.model is not None
            for _ in range(times):
                data = self.data("push")
                expected = self.model.push(data)
                reply = await self.world.pusher.push("alice", data=data)
                assert (reply.success, reply.error_code) == (not expected, expected), reply
            await self.compare()

        self.run(step())

    @alive
    @rule(hint=st.sampled_from([1, 2]), off=st.integers(-4, 3), zero=st.sampled_from([False] * 9 + [True]))
    def bind(self, hint: int, off: int, zero: bool) -> None:
        async def step() -> None:
            assert self.model is not None
            seq = 0 if zero else max(1, self.model.max_client + off)
            data = self.data("bound")
            expected = self.model.bind(seq, hint, data)
            reply = await self.world.pusher.push("alice", data=data, hint=hint, bind=seq)
            assert reply.success == (not expected), reply
            if not self.model.overflowed:  # then more than one reason stands against it
                assert reply.error_code == expected
            await self.compare()

        self.run(step())

    @alive
    @rule(really=rarely)
    def broadcast(self, really: bool) -> None:
        async def step() -> None:
            assert self.model is not None
            if not really and not self.model.has_room(1, reserve=False):
                return  # leave something to be overflowed by replies
            data = self.data("broadcast")
            expected = self.model.broadcast(data)
            assert (await self.world.pusher.broadcast(data)).sent_count == expected
            await self.compare()

        self.run(step())

    # ---- acknowledgements and ends

    @attached
    @rule(back=st.integers(0, 15))
    def acknowledge(self, back: int) -> None:
        async def step() -> None:
            client, model = self.client, self.model
            assert client is not None
            assert model is not None
            client.ack(max(0, model.last - back))
            model.acknowledge(model.last - back)
            await self.compare()

        self.run(step())

    @attached
    @rule(ahead=st.sampled_from([0, 0, 0, 1, 3]))
    def acknowledge_the_future(self, ahead: int) -> None:
        async def step() -> None:
            if not ahead:
                return
            client, model = self.client, self.model
            assert client is not None
            assert model is not None
            client.ack(model.last + ahead)
            if model.commit(ERROR):  # what was wrong is told before the close
                await assert_closed(client, CloseCode.PROTOCOL_ERROR)
                assert wire.error(client.numbered[-1]).error_code == 400
            else:
                close = await client.wait_closed()
                assert close.code in (CloseCode.PROTOCOL_ERROR, CloseCode.SLOW_CONSUMER)
            self.client = None

        self.run(step())

    @attached
    @rule(polite=st.booleans())
    def drop(self, polite: bool) -> None:
        async def step() -> None:
            client, self.client = self.client, None
            assert client is not None
            if not polite:
                client.abandon()
                await client.bury()  # so that the gateway knows and time can be told
            await client.close()
            await self.detached()

        self.run(step())

    async def detached(self) -> None:
        def gone() -> bool:
            sessions: Any = self.world.gateway.stats()["sessions"]
            return bool(sessions["detached"] == 1)

        await wire.until(gone, what="the gateway noticing the drop")

    @attached
    @rule(really=rarely)
    def stop(self, really: bool) -> None:
        async def step() -> None:
            if not really:
                return
            client, self.client = self.client, None
            assert client is not None
            client.stop()
            await assert_closed(client, CloseCode.NORMAL)
            self.forget()
            assert (await self.world.pusher.push("alice")).error_code == "TARGET_NOT_FOUND"

        self.run(step())

    @alive
    @precondition(lambda self: self.client is None and self.waits < 1)
    @rule(patient=rarely)
    def expire(self, patient: bool) -> None:
        async def step() -> None:
            self.waits += 1
            if not patient:
                return
            await asyncio.sleep(RESUME_WINDOW * 1.5)
            self.forget()
            assert (await self.world.pusher.push("alice")).error_code == "TARGET_NOT_FOUND"

        self.run(step())

    # ---- coming back, or taking over

    @rule(really=rarely, login=mostly)
    def fresh_start(self, really: bool, login: bool) -> None:
        if really:
            self.run(self.connect(0, "", "", login))

    @alive
    @rule(back=st.integers(0, 10), way=st.sampled_from(["session", "openid"]), login=mostly)
    def resume(self, back: int, way: str, login: bool) -> None:
        model = self.model
        assert model is not None
        number = max(model.acked, model.last - back)
        if way == "session":
            self.run(self.connect(number, model.session_id, model.epoch, login))
        else:
            self.run(self.connect(number, "", "", login))

    @alive
    @rule(really=rarely, off=st.integers(-4, 14), epoch=st.sampled_from(["right"] * 3 + ["", "wrong"]), login=mostly)
    def resume_from_anywhere(self, really: bool, off: int, epoch: str, login: bool) -> None:
        model = self.model
        assert model is not None
        if not really:
            return
        number = max(0, model.acked + off)
        text = {"right": model.epoch, "wrong": "not " + model.epoch}.get(epoch, "")
        self.run(self.connect(number, model.session_id, text, login))

    @rule(really=rarely, number=st.integers(1, 30), known=st.booleans(), login=mostly)
    def resume_what_ended_or_never_was(self, really: bool, number: int, known: bool, login: bool) -> None:
        if not really:
            return
        ended = sorted(self.known)
        session_id = ended[number % len(ended)] if known and ended else "f" * 32
        self.run(self.connect(number, session_id, self.known.get(session_id, "e"), login))


def content(push: pb.ServerPush) -> bytes:
    return ERROR if push.type == pb.PUSH_ERROR else wire.business(push).data


@pytest.mark.timeout(300)
def test_random_histories_agree_with_the_model(backend: str, certificate: tuple[Path, Path]) -> None:
    machine = type("WireOn" + backend, (Wire,), {"backend": backend, "certificate": certificate})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=False,
            database=None,
        ),
    )
