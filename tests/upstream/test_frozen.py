"""A process that was stopped keeps its connections and answers nothing: out it goes, and nobody waits for it."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import pytest

from quicgw_fast.observe import Metrics
from quicgw_fast.proto.service_pb2 import UpstreamRequest
from quicgw_fast.upstream import NoInstance, UpstreamCallError, UpstreamFailed, watch
from tests.upstream.conftest import StartProcess, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quicgw_fast.upstream import Upstream
    from tests.support.raw_upstream import RawUpstream

    SideFor = Callable[..., Upstream]
    Start = Callable[[], Awaitable[RawUpstream]]

REQUEST = UpstreamRequest(action="x")
OUT_WITHIN = 5.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for the answers to health checks."""
    monkeypatch.setattr(watch, "ANSWER_WITHIN", 0.3)


class Workers:
    """Calls without a pause, a few at a time, as the workers of a gateway do."""

    def __init__(self, side: Upstream, abreast: int) -> None:
        self.answered = 0
        self.errors: list[UpstreamCallError] = []
        self._side = side
        self._going = True
        self._tasks = [asyncio.create_task(self._work()) for _ in range(abreast)]

    async def _work(self) -> None:
        while self._going:
            try:
                await self._side.caller.call(REQUEST, 30.0)
            except UpstreamCallError as error:
                self.errors.append(error)
            else:
                self.answered += 1
            await asyncio.sleep(0.002)

    async def go_on(self, calls: int = 50) -> None:
        """Wait until so many more are answered."""
        enough = self.answered + calls
        await until(lambda: self.answered >= enough)

    async def stop(self) -> None:
        self._going = False
        await asyncio.gather(*self._tasks)


async def test_one_of_three_is_out_in_time_and_returns(
    upstream: Start, start_process: StartProcess, side_for: SideFor
) -> None:
    process, frozen = await start_process(0)
    metrics = Metrics()
    side = side_for((await upstream()).address, frozen, (await upstream()).address, metrics=metrics)
    instance = side.directory.instances()[1]
    await until(lambda: all(each.connected for each in side.directory.instances()))
    workers = Workers(side, 4)
    await workers.go_on()
    process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    await until(lambda: instance.ejection is not None)
    assert time.monotonic() - stopped < OUT_WITHIN
    await until(lambda: len(workers.errors) == metrics.count("upstream_given_up"))
    stuck = len(workers.errors)
    assert 1 <= stuck <= 3, "a worker was free all the time"
    assert {(error.code, error.detail) for error in workers.errors} == {(500, "the service stopped answering")}
    (told,) = [each for each in side.report() if each["address"] == frozen]
    assert (told["ejected"], told["healthy"], told["reason"]) == (True, False, "it does not answer")
    calls = instance.calls
    await workers.go_on()
    assert instance.calls == calls
    process.send_signal(signal.SIGCONT)
    await until(lambda: instance.ejection is None and not instance.on_trial)
    await until(lambda: instance.calls > calls + 10)
    assert len(workers.errors) == stuck
    await workers.stop()


@pytest.mark.usefixtures("impatient")
async def test_the_only_one_fails_its_calls_early_and_is_not_called_until_it_is_back(
    start_process: StartProcess, side_for: SideFor
) -> None:
    process, address = await start_process(0)
    side = side_for(address)
    (instance,) = side.directory.instances()
    await side.caller.call(REQUEST, 5.0)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(UpstreamFailed, match="stopped answering"):
        await side.caller.call(REQUEST, 30.0)
    with pytest.raises(NoInstance):
        await side.caller.call(REQUEST, 30.0)
    assert side.readiness.reason() == f"no instance of hello is in service ({address}: it does not answer)"
    assert instance.ejection is None, "one of one is more than half"
    process.send_signal(signal.SIGCONT)
    await until(lambda: side.readiness.reason() is None)
    assert (await side.caller.call(REQUEST, 5.0)).code == 200


@pytest.mark.usefixtures("impatient")
async def test_a_service_that_works_long_on_a_call_is_not_taken_for_frozen(upstream: Start, side_for: SideFor) -> None:
    server = await upstream()
    gate = server.hold("slow")
    metrics = Metrics()
    side = side_for(server.address, metrics=metrics)
    call = asyncio.create_task(side.caller.call(UpstreamRequest(action="slow"), 30.0))
    await until(lambda: side.directory.instances()[0].suspect)
    await asyncio.sleep(2.0)  # as long as the verdict on one that answers no health check takes
    assert metrics.count("upstream_silences") == 0
    gate.open()
    assert (await call).code == 200
    await until(lambda: not side.directory.instances()[0].suspect)


async def test_with_ejection_off_nobody_is_given_up(start_process: StartProcess, side_for: SideFor) -> None:
    process, address = await start_process(0)
    side = side_for(address, ejection=False)
    await side.caller.call(REQUEST, 5.0)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(UpstreamCallError) as caught:
        await side.caller.call(REQUEST, 1.5)
    assert caught.value.code == 504
    process.send_signal(signal.SIGCONT)
    assert (await side.caller.call(REQUEST, 5.0)).code == 200
