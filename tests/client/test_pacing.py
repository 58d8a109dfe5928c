"""The client keeps to the gateway's limits by itself: none of its requests is refused for its rate."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicgw_fast.backend import TokenBucket
from quicgw_fast.client import CallTimeout, Overloaded, RateLimited, Reconnect, State
from quicgw_fast.client.pacer import ASSUMED_IN_FLIGHT, BYTES_IN_FLIGHT, Pacer
from quicgw_fast.client.wire import Limits
from quicgw_fast.codes import CloseCode
from quicgw_fast.proto.client_pb2 import BusinessResponse, ErrorMessage

if TYPE_CHECKING:
    from tests.client.conftest import Connect, States
    from tests.client.scripted import Asked, ScriptedGateway


class Strict:
    """Answers after a while, and refuses what is over its limits as the real gateway does.

    Requests less than ``apart`` seconds apart count as one moment: how long reading them takes depends on the machine.
    """

    def __init__(
        self,
        gateway: ScriptedGateway,
        rate: float,
        burst: int,
        in_flight: int,
        takes: float = 0.0,
        *,
        apart: float = 0.0,
    ) -> None:
        self.gateway = gateway
        self.bucket = TokenBucket(rate, burst)
        self.in_flight = in_flight
        self.takes = takes
        self.apart = apart
        self.moment = self.last = time.monotonic()
        self.open = 0
        self.most = 0
        self.refused = 0
        self.ran: list[bytes] = []
        gateway.answer = self.answer

    def answer(self, asked: Asked) -> BusinessResponse | ErrorMessage | None:
        now = time.monotonic()
        if now - self.last >= self.apart:
            self.moment = now
        self.last = now
        wait = self.bucket.take(self.moment)
        if wait > 0 or self.open >= self.in_flight:
            self.refused += 1
            wait = max(wait, 2 * self.apart) if wait else 0.1
            retry = {"retry-after-ms": str(int(wait * 1000) + 1)}
            self.gateway.reply(asked, ErrorMessage(error_code=429, error_message="too many"), retry)
            return None
        self.open += 1
        self.most = max(self.most, self.open)
        self.ran.append(asked.data)
        asyncio.get_running_loop().call_later(self.takes, self._reply, asked)
        return None

    def _reply(self, asked: Asked) -> None:
        self.open -= 1
        self.gateway.reply(asked, BusinessResponse(code=200, data=asked.data))


async def test_one_call_after_the_other_never_meets_a_limit(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.start_headers = {"limit-in-flight": "8", "limit-messages-per-second": "200"}
    strict = Strict(gateway, 200, 200, 8)
    client = await connect()
    begun = time.monotonic()
    for number in range(320):
        assert (await client.call("echo", data=b"%d" % number)).ok
    assert strict.refused == 0
    assert 0.5 < time.monotonic() - begun < 30, "that of the rate, and no other wait before each"


async def test_many_at_once_wait_for_their_turn(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.start_headers = {"limit-in-flight": "5", "limit-messages-per-second": "10000"}
    strict = Strict(gateway, 10_000, 10_000, 5, takes=0.005)
    client = await connect()
    calls = [client.submit("echo", data=b"%d" % number) for number in range(100)]
    assert [(await call).data for call in calls] == [b"%d" % number for number in range(100)]
    assert (strict.refused, strict.most) == (0, 5)
    assert strict.ran[1:] == [b"%d" % number for number in range(100)]


async def test_a_call_is_sent_at_once_when_all_before_it_are_over(gateway: ScriptedGateway, connect: Connect) -> None:
    """Also where the one that waited for its turn was given up, so that nobody is left who waits."""
    gateway.start_headers = {"limit-in-flight": "1"}
    client = await connect()
    gateway.answer = lambda _: None
    slow = client.submit("slow")
    with pytest.raises(CallTimeout):
        await client.call("echo", timeout=0.05)
    await gateway.until(lambda: len(gateway.asked) == 2)
    gateway.reply(gateway.asked[-1], BusinessResponse(code=200))
    await slow
    gateway.answer = lambda asked: BusinessResponse(code=200, data=asked.data)
    assert (await client.call("echo", timeout=2)).ok, "no heartbeat has to come first"


async def test_large_requests_are_counted_by_their_bytes(gateway: ScriptedGateway, connect: Connect) -> None:
    gateway.start_headers = {"limit-in-flight": "64"}
    strict = Strict(gateway, 10_000, 10_000, 64, takes=0.4)
    client = await connect()
    replies = await asyncio.gather(*(client.call("echo", data=bytes(400_000)) for _ in range(4)))
    assert all(len(reply.data) == 400_000 for reply in replies)
    assert strict.most == 2
    assert (await client.call("echo", data=bytes(1_040_000))).ok  # alone it may be as large as a message can be


async def test_what_is_refused_for_its_rate_is_sent_again_in_its_old_place(
    gateway: ScriptedGateway, connect: Connect
) -> None:
    strict = Strict(gateway, 50, 10, 64, apart=0.1)  # and it names no limits
    client = await connect()
    calls = [client.submit("echo", data=b"%d" % number, timeout=20) for number in range(40)]
    assert [(await call).data for call in calls] == [b"%d" % number for number in range(40)]
    assert strict.refused == client.stats.repeated > 0
    assert strict.ran[1:] == sorted(strict.ran[1:], key=int)
    assert client.stats.errors == 0
    assert strict.refused < 120, "it learns"


async def test_a_refusal_that_outlasts_the_call_is_its_result(gateway: ScriptedGateway, connect: Connect) -> None:
    client = await connect()
    gateway.answer = lambda asked: _refuse(gateway, asked, 429, {"retry-after-ms": "60000"})
    begun = time.monotonic()
    with pytest.raises(RateLimited):
        await client.call("echo", timeout=30)
    assert time.monotonic() - begun < 15
    with pytest.raises(CallTimeout, match="it was not sent") as late:
        await client.call("echo", timeout=0.2)  # the gateway does not want to be asked
    assert not late.value.sent


@pytest.mark.parametrize(("code", "headers"), [(503, {"retry-after-ms": "1"}), (500, {}), (504, {}), (429, {})])
async def test_nothing_else_is_sent_twice(
    gateway: ScriptedGateway, connect: Connect, code: int, headers: dict[str, str]
) -> None:
    client = await connect()
    gateway.answer = lambda asked: _refuse(gateway, asked, code, headers)
    with pytest.raises(Exception, match=f"{code} no") as caught:
        await client.call("echo")
    assert isinstance(caught.value, Overloaded) == (code == 503)
    assert len(gateway.asked) == 2
    assert client.stats.repeated == 0


def _refuse(gateway: ScriptedGateway, asked: Asked, code: int, headers: dict[str, str]) -> None:
    gateway.reply(asked, ErrorMessage(error_code=code, error_message="no"), headers)


async def test_calls_made_while_away_do_not_arrive_as_a_flood(
    gateway: ScriptedGateway, connect: Connect, states: States
) -> None:
    gateway.start_headers = {"limit-in-flight": "16", "limit-messages-per-second": "400"}
    strict = Strict(gateway, 400, 500, 16)  # a busy machine may take a while from the first request to its arrival
    client = await connect(reconnect=Reconnect(base=0.1, cap=0.2))
    gateway.peer.close(CloseCode.INTERNAL)
    await states.reach(State.RECONNECTING)
    calls = [client.submit("echo", data=b"%d" % number) for number in range(600)]
    assert [(await call).data for call in calls] == [b"%d" % number for number in range(600)]
    assert strict.refused == 0
    assert strict.most <= 16


class TestPacer:
    def test_without_limits_nothing_is_held_back(self) -> None:
        pacer = Pacer()
        pacer.learn(Limits())
        assert all(pacer.take(n, n * 1_000_000, 0.0) == 0.0 for n in range(1000))

    def test_the_first_one_always_goes(self) -> None:
        pacer = Pacer()
        pacer.learn(Limits(1, 1000.0))
        assert pacer.take(0, BYTES_IN_FLIGHT * 2, 0.0) == 0.0
        assert pacer.take(1, 10, 0.0) == math.inf

    def test_the_same_limits_again_give_no_new_burst(self) -> None:
        pacer = Pacer()
        pacer.learn(Limits(1000, 10.0))
        assert sum(pacer.take(0, 0, 0.0) == 0.0 for _ in range(100)) == 10
        pacer.learn(Limits(1000, 10.0))
        assert pacer.take(0, 0, 0.0) > 0

    def test_one_burst_of_refusals_is_one_lesson(self) -> None:
        pacer = Pacer()
        pacer.learn(Limits())
        for _ in range(50):
            pacer.refused(0.5, 0.0)
        assert pacer.take(0, 0, 0.1) == pytest.approx(0.4)
        assert pacer.take(ASSUMED_IN_FLIGHT, 0, 1.0) == math.inf
        assert pacer.take(ASSUMED_IN_FLIGHT - 1, 0, 1.0) == 0.0
        pacer.refused(0.5, 2.0)
        assert pacer.take(ASSUMED_IN_FLIGHT // 2, 0, 3.0) == math.inf

    def test_after_a_refusal_requests_go_out_evenly(self) -> None:
        pacer = Pacer()
        pacer.learn(Limits(1000, 100.0))
        pacer.refused(0.5, 0.0)
        assert pacer.take(0, 0, 0.5) == 0.0
        assert pacer.take(0, 0, 0.5) > 0.0, "a burst is what has just been refused"
        assert sum(pacer.take(0, 0, 0.5 + at / 100) == 0.0 for at in range(1, 51)) in {47, 48}

    @given(st.floats(1, 1000), st.integers(1, 50), st.lists(st.tuples(st.floats(0, 0.2), st.booleans()), max_size=200))
    def test_it_never_stops_for_good(self, rate: float, in_flight: int, steps: list[tuple[float, bool]]) -> None:
        """Whatever is refused: with nothing in flight, the next request goes out within a bounded time."""
        pacer, now = Pacer(), 0.0
        pacer.learn(Limits(in_flight, rate))
        for step, refused in steps:
            now += step
            if refused:
                pacer.refused(0.1, now)
            wait = pacer.take(0, 0, now)
            assert wait < max(0.1, 10 / rate) + 1e-6
            if wait:
                assert pacer.take(0, 0, now + wait) == 0.0
                now += wait
