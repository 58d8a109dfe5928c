"""Random histories of one session over real QUIC and gRPC, each step compared with a model of the protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.support.model_driver import Driver
from tests.support.parts import Parts
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tests.support.session_model import SessionModel

WINDOW = 8
EXAMPLES, STEPS = 25, 50

mostly = st.sampled_from([True] * 5 + [False])
rarely = st.sampled_from([False] * 5 + [True])
attached = precondition(lambda self: self.driver.client is not None)
logged_in = precondition(lambda self: self.driver.client is not None and self.driver.model.normal)
alive = precondition(lambda self: self.driver.model is not None)


class Wire(RuleBasedStateMachine):
    """Draws what happens next; the driver does it."""

    parts = Parts()
    certificate: tuple[Path, Path]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world: World
        self.driver: Driver

    @property
    def model(self) -> SessionModel:
        assert self.driver.model is not None
        return self.driver.model

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await step

        self.loop.run_until_complete(bounded())

    @initialize(login=mostly)
    def begin(self, login: bool) -> None:
        async def step() -> None:
            session = {"window_messages": WINDOW, "slow_consumer_after": 60}
            self.world = World(self.parts, self.certificate, session=session, processor={"max_workers": 32})
            await self.world.__aenter__()
            self.driver = Driver(self.world, WINDOW)
            await self.driver.connect(0, "", "", login=login)

        self.run(step())

    def teardown(self) -> None:
        async def step() -> None:
            self.driver.open_gates()
            await self.world.__aexit__(None, None, None)
            await self.loop.shutdown_asyncgens()

        if hasattr(self, "driver"):
            self.run(step())
        self.loop.close()

    # ---- requests

    @attached
    @rule()
    def hello(self) -> None:
        self.run(self.driver.log_in())

    @logged_in
    @rule(hold=st.booleans())
    def request(self, hold: bool) -> None:
        self.run(self.driver.request(hold=hold))

    @alive
    @precondition(lambda self: self.driver.gates)
    @rule(pick=st.integers(0, 100))
    def release(self, pick: int) -> None:
        self.run(self.driver.release(pick))

    @attached
    @rule(off=st.sampled_from([-2, -1, 1, 2, 100]))
    def wrong_number(self, off: int) -> None:
        self.run(self.driver.wrong_number(off))

    # ---- pushes

    @alive
    @rule(times=st.integers(1, 8))
    def push(self, times: int) -> None:
        for _ in range(times):
            self.run(self.driver.push())

    @alive
    @rule(hint=st.sampled_from([1, 2]), off=st.integers(-4, 3), to_none=rarely)
    def bind(self, hint: int, off: int, to_none: bool) -> None:
        self.run(self.driver.bind(0 if to_none else max(1, self.model.max_client + off), hint))

    @alive
    @rule(really=rarely)
    def broadcast(self, really: bool) -> None:
        if really or self.model.has_room(1, reserve=False):  # leave something to be overflowed by replies
            self.run(self.driver.broadcast())

    # ---- acknowledgements and ends

    @attached
    @rule(back=st.integers(0, 15))
    def acknowledge(self, back: int) -> None:
        self.run(self.driver.acknowledge(back))

    @attached
    @rule(really=rarely, ahead=st.integers(1, 3))
    def acknowledge_the_future(self, really: bool, ahead: int) -> None:
        if really:
            self.run(self.driver.acknowledge_the_future(ahead))

    @attached
    @rule(polite=st.booleans())
    def drop(self, polite: bool) -> None:
        self.run(self.driver.drop(polite=polite))

    @attached
    @rule(really=rarely)
    def stop(self, really: bool) -> None:
        if really:
            self.run(self.driver.stop())

    @alive
    @precondition(lambda self: self.driver.client is None)
    @rule(really=rarely)
    def expire(self, really: bool) -> None:
        if really:
            self.run(self.driver.expire())

    # ---- coming back, or taking over

    @rule(really=rarely, login=mostly)
    def fresh_start(self, really: bool, login: bool) -> None:
        if really:
            self.run(self.driver.connect(0, "", "", login=login))

    @alive
    @rule(back=st.integers(0, 10), by_session=st.booleans(), login=mostly)
    def resume(self, back: int, by_session: bool, login: bool) -> None:
        number = max(self.model.acked, self.model.last - back)
        session = (self.model.session_id, self.model.epoch) if by_session else ("", "")
        self.run(self.driver.connect(number, *session, login=login))

    @alive
    @rule(really=rarely, off=st.integers(-4, 14), epoch=st.sampled_from(["right"] * 3 + ["", "wrong"]), login=mostly)
    def resume_from_anywhere(self, really: bool, off: int, epoch: str, login: bool) -> None:
        if really:
            text = {"right": self.model.epoch, "wrong": "not " + self.model.epoch}.get(epoch, "")
            number = max(0, self.model.acked + off)
            self.run(self.driver.connect(number, self.model.session_id, text, login=login))

    @rule(really=rarely, number=st.integers(1, 30), known=st.booleans(), login=mostly)
    def resume_what_ended_or_never_was(self, really: bool, number: int, known: bool, login: bool) -> None:
        if really:
            ended = sorted(self.driver.ended)
            session_id = ended[number % len(ended)] if known and ended else "f" * 32
            epoch = self.driver.ended.get(session_id, "e")
            self.run(self.driver.connect(number, session_id, epoch, login=login))


@pytest.mark.timeout(300)
def test_random_histories_agree_with_the_model(parts: Parts, certificate: tuple[Path, Path]) -> None:
    machine = type("WireOn" + "_".join(parts), (Wire,), {"parts": parts, "certificate": certificate})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
